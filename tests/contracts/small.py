"""A small instance of every plug-in that can be built on a CPU in a moment, by module name.

Whoever adds a plug-in adds its builder here, and the contract tests pick it up.
"""

from collections.abc import Callable

from seehear.backbones import gaussian
from seehear.binders import linear
from seehear.protocols import Backbone, Binder

BACKBONES: dict[str, Callable[[], Backbone]] = {"gaussian": gaussian.load}
BINDERS: dict[str, Callable[[], Binder]] = {"linear": linear.load}
