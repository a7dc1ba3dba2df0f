"""Your strategies and indicator presets: documents made from templates, changed, checked and shared."""

from typing import Final

_READ: Final = "stratkernel.cli.config_reading"
_WRITE: Final = "stratkernel.cli.config_writing"
_SHARE: Final = "stratkernel.cli.config_sharing"

SUBCOMMANDS: Final = {
    "templates": (_READ, "what the installed plugins suggest to begin with"),
    "list": (_READ, "your documents, and what is wrong with those that are not valid"),
    "show": (_READ, "one document, with the defaults of what it does not say"),
    "validate": (_READ, "check documents, by name or by path"),
    "schema": (_READ, "the JSON Schema of documents, for editors"),
    "new": (_WRITE, "make a document from a template"),
    "set": (_WRITE, "change parameters and other fields of a document"),
    "edit": (_WRITE, "change a document in your editor; checked before it is saved"),
    "copy": (_WRITE, "save a copy under another name"),
    "rename": (_WRITE, "give a document another name"),
    "delete": (_WRITE, "move a document to the trash"),
    "restore": (_WRITE, "take a document back from the trash"),
    "upgrade": (_WRITE, "write documents of an older schema version in the newest"),
    "export": (_SHARE, "put documents into one file, to be sent to somebody else"),
    "import": (_SHARE, "take documents out of such a file, all or none"),
}
