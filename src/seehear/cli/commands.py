"""The list of all commands. PyTorch and the models are imported inside those that need them."""

from seehear.cli.app import app
from seehear.cli.batch import batch
from seehear.cli.data import data
from seehear.cli.distill import distill
from seehear.cli.doctor import doctor
from seehear.cli.evaluate import evaluate
from seehear.cli.generate_audio import i2a, v2a
from seehear.cli.generate_video import a2i, a2v, joint
from seehear.cli.models import models_app
from seehear.cli.presets import presets
from seehear.cli.replay import replay
from seehear.cli.report import report
from seehear.cli.shots import shots
from seehear.cli.web import web

# In the order of `seehear --help`; groups of commands come after them.
COMMANDS = {
    "v2a": v2a,
    "i2a": i2a,
    "shots": shots,
    "replay": replay,
    "presets": presets,
    "a2v": a2v,
    "a2i": a2i,
    "joint": joint,
    "doctor": doctor,
    "eval": evaluate,
    "batch": batch,
    "report": report,
    "web": web,
    "distill": distill,
}
GROUPS = {"models": models_app, "data": data}

for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)
