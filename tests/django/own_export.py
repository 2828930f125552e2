"""The script `export_settings.py` as a module: what it exports while settings are overridden."""

import re
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent.parent / "src/settings/export_settings.py"


def rest_framework(settings):
    """What it exports of the REST framework, and its complaints."""
    names = {"__name__": "own_export"}
    source = SCRIPT.read_text()
    # Without its last statements, which print all of it.
    exec(compile(re.split(r"(?m)^if not apps\.ready", source)[0], str(SCRIPT), "exec"), names)
    complaints = []

    def complain(level, setting, value, reason, hook=None):
        complaints.append({"level": level, "setting": setting, "value": str(value), "reason": reason, "hook": hook})

    return {"found": names["RestExport"](complain, settings).found(), "complaints": complaints}
