"""Every synthetic sound of vehicles, weather and water, household things and alarms, by id."""

from training.world import sounds_household, sounds_impacts, sounds_vehicles, sounds_weather
from training.world.dsp import Synth

SYNTHS: dict[str, Synth] = {
    **sounds_vehicles.SYNTHS,
    **sounds_weather.SYNTHS,
    **sounds_household.SYNTHS,
    **sounds_impacts.SYNTHS,
}
