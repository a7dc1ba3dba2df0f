"""Texts that somebody may bring as a symbol, a strategy's name or a filter."""

_CLOSERS = ("'", '"', "`", "')", '")', "';", "'))", "]", "}}", "\\'")
_PAYLOADS = (
    "DROP TABLE strategy_runs;--",
    "DELETE FROM strategy_signals;--",
    "UPDATE strategy_runs SET starred = 1;--",
    "OR '1'='1",
    "OR 1=1--",
    "UNION SELECT NULL, NULL, NULL--",
    "UNION ALL SELECT sql FROM sqlite_master--",
    "; ATTACH DATABASE 'x.db' AS x;--",
    "AND (SELECT COUNT(*) FROM pg_sleep(9)) > 0--",
    "|| (SELECT version()) ||",
    "; COPY market_data TO '/tmp/x';--",
    "; PRAGMA writable_schema = 1;--",
    "; TRUNCATE strategy_runs CASCADE;--",
    "LIMIT 0 OFFSET 1--",
    "HAVING 1=1--",
)
_OTHERS = (
    *(
        "%",
        "_",
        "%%",
        "%s",
        "%(symbol)s",
        ":symbol",
        "?",
        "$1",
        "{0}",
        "{symbol}",
        "${HOME}",
        "$(id)",
        "`id`",
    ),
    *("*", "\\", "\\x00", "%00", "\\0", "/*", "*/", "/* x */", "--", "#", ";", "''", '""', "E'\\x27'"),
    *("../../../etc/passwd", "..\\..\\x", "/dev/null", "C:\\x", "file:///etc/passwd", "sqlite:///x.db"),
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[red]x[/red]", "[/]", "[link=x]y[/link]"),
    *("=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "\t=1", "\r=1", "a\nb", "a\r\nb", "a\tb", "\x1b[31mx", "\x07"),
    *("\u202eabc", "\u200b", "\ufeffx", "é", "e\u0301", "ß", "\u0130", "日本語", "🚀", "\U0010ffff", "ﬀ"),
    *("null", "None", "NaN", "inf", "true", "0", "1e999", "0x41", "undefined", "__proto__", "constructor"),
    *("!!python/object/apply:os.system [id]", "{{7*7}}", "#{7*7}", "<%= 7*7 %>", "x" * 200, " x ", "."),
)
HOSTILE_TEXTS = (
    *(f"x{closer} {payload}" for closer in _CLOSERS for payload in _PAYLOADS),
    *_OTHERS,
)
UNSTORABLE_TEXTS = ("", " ", "\t", "a\x00b", "\x00", "\udcff", "x\ud800", "x" * 201, "x" * 100_000)
"""No database can hold these, or nobody means them."""
