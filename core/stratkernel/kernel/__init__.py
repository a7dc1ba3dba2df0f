"""The ground floor: plugin machinery. It knows nothing of trading but the table of kinds."""
