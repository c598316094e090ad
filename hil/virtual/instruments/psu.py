"""A programmable one-channel power supply: SCPI text above, the kit's supply rail below.

The model is a fast bench supply of the class used for mobile devices: 0 to 6 V and 0 to 3 A, programmed in
1 mV and 0.1 mA, a down-programmer that pulls as well as pushes, and a choice of what the terminals do when
the output is off. Figures, of the order of such supplies' data sheets:

- a command is executed `COMMAND_TICKS` (1 ms) after its line feed arrived, commands one after the other;
- the output moves at the programmed slew, at most `MAX_SLEW` (1000 V/s: 3 ms for 3 V), in both directions;
- a measurement takes `MEASURE_TICKS` (10 ms, an averaging window of half a mains period) and reads the
  terminals at its end, rounded to 0.1 mV and 1 uA;
- OUTPut:TMODe LOWZ (the default) makes OFF a fast discharge through the down-programmer; HIGHZ opens the
  terminals and leaves the discharge to the load and its capacitors.

Nothing here knows what a test wants: it drives a rail and answers text.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from hil.virtual.instruments.scpi import (
    ESR_OPERATION_COMPLETE,
    ESR_POWER_ON,
    MESSAGE_LIMIT,
    CommandTree,
    ErrorQueue,
    ScpiError,
    parse_boolean,
    parse_choice,
    parse_number,
    parse_unit,
    split_message,
    status_bit,
)
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Event, Kernel

MAX_VOLTS = 6.0
MAX_AMPERES = 3.0
DEFAULT_AMPERES = 0.5
MAX_SLEW = 1000.0
MIN_SLEW = 0.001
COMMAND_TICKS = TICKS_PER_MS
MEASURE_TICKS = 10 * TICKS_PER_MS
MAX_LIST_STEPS = 100
MAX_LIST_COUNT = 256
MAX_DWELL_S = 3600.0
PENDING_LIMIT = 64
"""Messages that may wait for execution; more are dropped with error -363."""


class Terminals(Protocol):
    """The pair of terminals the supply is wired to."""

    def drive(self, profile: list[tuple[int, float]]) -> None:
        """Follow (tick, volts) points, straight lines between them, the last one for ever after."""

    def release(self) -> None:
        """High impedance: neither source nor sink."""

    def limit_current(self, amperes: float) -> None:
        """Fold the voltage back where the load would take more than this."""

    def volts(self) -> float:
        """Voltage at the terminals now."""

    def amperes(self) -> float:
        """Current out of the terminals now."""


class PowerSupply:
    """The instrument. `receive` takes bytes as they arrive; answers go to the sink given to `set_host`."""

    def __init__(
        self,
        kernel: Kernel,
        terminals: Terminals,
        serial_number: str = "0001",
        *,
        open_when_off: bool = False,
    ) -> None:
        self._open_when_off = open_when_off
        self._kernel = kernel
        self._terminals = terminals
        self._identity = f"HIL,VPS-6003,{serial_number},1.0"
        self._send: Callable[[bytes], None] | None = None
        self._commands = CommandTree()
        self._errors = ErrorQueue()
        self._input = bytearray()
        self._input_overrun = False
        self._pending: deque[str] = deque()
        self._executing: Event | None = None
        self._event_status = ESR_POWER_ON
        self._event_enable = 0
        self._service_enable = 0
        self._list_event: Event | None = None
        self._answers: list[str] = []
        self._extra_ticks = 0
        self._ramp: tuple[int, float, int, float] = (0, 0.0, 0, 0.0)
        self._reset()
        self._register_common()
        self._register_source()
        self._register_list()

    # ---- The wire ----

    def set_host(self, sink: Callable[[bytes], None] | None) -> None:
        """Send answers to `sink`, or nowhere with None; answers are whole lines that end in a line feed."""
        self._send = sink

    @property
    def busy(self) -> bool:
        """A message is being executed, or waits to be."""
        return self._executing is not None or bool(self._pending)

    def receive(self, data: bytes) -> None:
        """Take bytes from the host. A message ends at a line feed; carriage returns before it are ignored."""
        for byte in data:
            if byte == 0x0A:
                self._end_of_message()
            elif len(self._input) >= MESSAGE_LIMIT:
                self._input_overrun = True
            else:
                self._input.append(byte)

    def _end_of_message(self) -> None:
        message = self._input.decode("ascii", errors="replace").strip()
        self._input.clear()
        if self._input_overrun or len(self._pending) >= PENDING_LIMIT:
            self._input_overrun = False
            self._report(ScpiError(-363))
        elif message:
            self._pending.append(message)
            if self._executing is None:
                self._executing = self._kernel.after(COMMAND_TICKS, self._execute)

    def _execute(self) -> None:
        self._executing = None
        self._answers.clear()
        self._extra_ticks = 0
        message = self._pending.popleft()
        path = ""
        for unit in split_message(message):
            if not unit:
                continue
            try:
                header, parameters, path = parse_unit(unit, path)
                self._run(header, parameters)
            except ScpiError as error:
                self._report(error)
                break
        answer = ";".join(self._answers)
        if self._extra_ticks:
            self._executing = self._kernel.after(self._extra_ticks, self._finish, answer)
        else:
            self._finish(answer)

    def _finish(self, answer: str) -> None:
        self._executing = None
        if answer and self._send is not None:
            self._send(answer.encode("ascii") + b"\n")
        if self._pending:
            self._executing = self._kernel.after(COMMAND_TICKS, self._execute)

    def _run(self, header: str, parameters: list[str]) -> None:
        handler = self._commands.find(header)
        if handler is None:
            raise ScpiError(-113, header[:32])
        answer = handler(parameters)
        if answer is not None:
            self._answers.append(answer)

    def _report(self, error: ScpiError) -> None:
        self._errors.push(error)
        self._event_status |= status_bit(error.number)

    # ---- Common commands ----

    def _register_common(self) -> None:
        add = self._commands.add
        add("*IDN?", self._answer(lambda: self._identity))
        add("*RST", self._action(self._reset))
        add("*CLS", self._action(self._clear_status))
        add("*ESR?", self._answer(self._read_event_status))
        add("*ESE?", self._answer(lambda: str(self._event_enable)))
        add("*ESE", self._set_event_enable)
        add("*SRE?", self._answer(lambda: str(self._service_enable)))
        add("*SRE", self._set_service_enable)
        add("*STB?", self._answer(self._status_byte))
        add("*OPC?", self._answer(lambda: "1"))
        add("*OPC", self._action(self._operation_complete))
        add("*WAI", self._action(lambda: None))
        add("*TST?", self._answer(lambda: "0"))
        add("*TRG", self._action(self._trigger))
        add("SYSTem:ERRor:[NEXT]?", self._answer(self._errors.pop))
        add("SYSTem:VERSion?", self._answer(lambda: "1999.0"))
        add("SYSTem:REMote", self._action(lambda: None))
        add("SYSTem:LOCal", self._action(lambda: None))

    def _answer(self, value: Callable[[], str]) -> Callable[[list[str]], str]:
        def handler(parameters: list[str]) -> str:
            _count(parameters, 0, 0)
            return value()

        return handler

    def _action(self, action: Callable[[], None]) -> Callable[[list[str]], None]:
        def handler(parameters: list[str]) -> None:
            _count(parameters, 0, 0)
            action()

        return handler

    def _reset(self) -> None:
        self._kernel.cancel(self._list_event)
        self._list_event = None
        self._output = False
        self._low_impedance_off = not self._open_when_off
        self._volts = 0.0
        self._amperes = DEFAULT_AMPERES
        self._slew = MAX_SLEW
        self._protection = MAX_VOLTS * 1.1
        self._tripped = False
        self._list_mode = False
        self._list_volts = [0.0]
        self._list_dwell = [0.1]
        self._list_count = 1
        self._list_left: list[tuple[float, float]] = []
        self._triggered_volts: float | None = None
        self._trigger_from_bus = True
        self._armed = False
        self._terminals.limit_current(self._amperes)
        self._move(0.0, MAX_SLEW)

    def _clear_status(self) -> None:
        self._errors.clear()
        self._event_status = 0

    def _read_event_status(self) -> str:
        value, self._event_status = self._event_status, 0
        return str(value)

    def _set_event_enable(self, parameters: list[str]) -> None:
        self._event_enable = round(parse_number(_one(parameters), "", 0, 255))

    def _set_service_enable(self, parameters: list[str]) -> None:
        self._service_enable = round(parse_number(_one(parameters), "", 0, 255))

    def _status_byte(self) -> str:
        value = 0x04 if self._errors else 0
        value |= 0x20 if self._event_status & self._event_enable else 0
        value |= 0x40 if value & self._service_enable else 0
        return str(value)

    def _operation_complete(self) -> None:
        self._event_status |= ESR_OPERATION_COMPLETE

    # ---- Output ----

    def _register_source(self) -> None:
        add = self._commands.add
        add("[SOURce]:VOLTage:[LEVel]:[IMMediate]:[AMPLitude]", self._set_volts)
        add("[SOURce]:VOLTage:[LEVel]:[IMMediate]:[AMPLitude]?", self._query("_volts", 0.0, MAX_VOLTS))
        add("[SOURce]:VOLTage:[LEVel]:TRIGgered:[AMPLitude]", self._set_triggered_volts)
        add("[SOURce]:VOLTage:SLEW:[IMMediate]", self._set_slew)
        add("[SOURce]:VOLTage:SLEW:[IMMediate]?", self._query("_slew", MIN_SLEW, MAX_SLEW))
        add("[SOURce]:VOLTage:PROTection:[LEVel]", self._set_protection)
        add("[SOURce]:VOLTage:PROTection:[LEVel]?", self._query("_protection", 0.0, MAX_VOLTS * 1.1))
        add("[SOURce]:VOLTage:PROTection:TRIPped?", self._answer(lambda: str(int(self._tripped))))
        add("[SOURce]:CURRent:[LEVel]:[IMMediate]:[AMPLitude]", self._set_amperes)
        add("[SOURce]:CURRent:[LEVel]:[IMMediate]:[AMPLitude]?", self._query("_amperes", 0.0, MAX_AMPERES))
        add("OUTPut:[STATe]", self._set_output)
        add("OUTPut:[STATe]?", self._answer(lambda: str(int(self._output))))
        add("OUTPut:TMODe", self._set_turn_off_mode)
        add("OUTPut:TMODe?", self._answer(lambda: "LOWZ" if self._low_impedance_off else "HIGHZ"))
        add("OUTPut:PROTection:CLEar", self._action(self._clear_protection))
        add("MEASure:[SCALar]:VOLTage:[DC]?", self._answer(self._measure_volts))
        add("MEASure:[SCALar]:CURRent:[DC]?", self._answer(self._measure_amperes))

    def _query(self, attribute: str, low: float, high: float) -> Callable[[list[str]], str]:
        def handler(parameters: list[str]) -> str:
            _count(parameters, 0, 1)
            if parameters:
                return f"{low if parse_choice(parameters[0], 'MINimum', 'MAXimum') == 'MIN' else high:.4f}"
            return f"{getattr(self, attribute):.4f}"

        return handler

    def _set_volts(self, parameters: list[str]) -> None:
        self._volts = round(parse_number(_one(parameters), "V", 0.0, MAX_VOLTS), 3)
        if self._output and self._list_event is None:
            self._move(self._volts, self._slew)

    def _set_triggered_volts(self, parameters: list[str]) -> None:
        self._triggered_volts = round(parse_number(_one(parameters), "V", 0.0, MAX_VOLTS), 3)

    def _set_slew(self, parameters: list[str]) -> None:
        text = _one(parameters)
        infinite = text.upper() in ("INF", "INFINITY")
        self._slew = MAX_SLEW if infinite else parse_number(text, "V/S", MIN_SLEW, MAX_SLEW)

    def _set_protection(self, parameters: list[str]) -> None:
        self._protection = parse_number(_one(parameters), "V", 0.0, MAX_VOLTS * 1.1)
        if self._output and self._ramp[3] > self._protection:
            self._trip()

    def _set_amperes(self, parameters: list[str]) -> None:
        self._amperes = round(parse_number(_one(parameters), "A", 0.0, MAX_AMPERES), 4)
        self._terminals.limit_current(self._amperes)

    def _set_output(self, parameters: list[str]) -> None:
        wanted = parse_boolean(_one(parameters))
        if wanted and self._tripped:
            raise ScpiError(-221, "protection tripped")
        if wanted == self._output:
            return
        if wanted:
            self._output = True
            self._move(self._volts, self._slew)
        else:
            self._switch_off()

    def _set_turn_off_mode(self, parameters: list[str]) -> None:
        self._low_impedance_off = parse_choice(_one(parameters), "HIGHZ", "LOWZ") == "LOWZ"

    def _clear_protection(self) -> None:
        self._tripped = False

    def _measure_volts(self) -> str:
        return self._measured(f"{self._terminals.volts():.4f}")

    def _measure_amperes(self) -> str:
        return self._measured(f"{self._terminals.amperes():.6f}")

    def _measured(self, text: str) -> str:
        self._extra_ticks += MEASURE_TICKS
        return text

    def _source_now(self) -> float:
        """Voltage that the regulator holds now, on the way from one level to the next."""
        start, start_volts, end, end_volts = self._ramp
        if self._kernel.now >= end:
            return end_volts
        return start_volts + (end_volts - start_volts) * (self._kernel.now - start) / (end - start)

    def _move(self, volts: float, slew: float) -> None:
        """Move the regulator from where it is to `volts`; a trip switches off instead."""
        if self._output and volts > self._protection:
            self._trip()
            return
        now, present = self._kernel.now, self._source_now()
        end = now + round(abs(volts - present) / slew * TICKS_PER_SECOND)
        self._ramp = (now, present, end, volts)
        if self._output or self._low_impedance_off:
            self._terminals.drive([(now, present), (end, volts)] if end > now else [(now, volts)])

    def _switch_off(self) -> None:
        self._kernel.cancel(self._list_event)
        self._list_event = None
        self._armed = False
        self._output = False
        if self._low_impedance_off:
            self._move(0.0, MAX_SLEW)
        else:
            self._ramp = (self._kernel.now, 0.0, self._kernel.now, 0.0)
            self._terminals.release()

    def _trip(self) -> None:
        self._tripped = True
        self._switch_off()

    # ---- Triggered levels and lists ----

    def _register_list(self) -> None:
        add = self._commands.add
        add("[SOURce]:VOLTage:MODE", self._set_mode)
        add("[SOURce]:VOLTage:MODE?", self._answer(lambda: "LIST" if self._list_mode else "FIX"))
        add("[SOURce]:LIST:VOLTage:[LEVel]", self._set_list_volts)
        add("[SOURce]:LIST:VOLTage:[LEVel]?", self._answer(lambda: _join(self._list_volts)))
        add("[SOURce]:LIST:DWELl", self._set_list_dwell)
        add("[SOURce]:LIST:DWELl?", self._answer(lambda: _join(self._list_dwell)))
        add("[SOURce]:LIST:COUNt", self._set_list_count)
        add("TRIGger:SOURce", self._set_trigger_source)
        add("TRIGger:SOURce?", self._answer(lambda: "BUS" if self._trigger_from_bus else "IMM"))
        add("INITiate:[IMMediate]", self._action(self._initiate))
        add("ABORt", self._action(self._abort))

    def _set_mode(self, parameters: list[str]) -> None:
        self._list_mode = parse_choice(_one(parameters), "FIXed", "LIST") == "LIST"

    def _set_list_volts(self, parameters: list[str]) -> None:
        _count(parameters, 1, MAX_LIST_STEPS)
        self._list_volts = [round(parse_number(text, "V", 0.0, MAX_VOLTS), 3) for text in parameters]

    def _set_list_dwell(self, parameters: list[str]) -> None:
        _count(parameters, 1, MAX_LIST_STEPS)
        self._list_dwell = [parse_number(text, "S", 1e-4, MAX_DWELL_S) for text in parameters]

    def _set_list_count(self, parameters: list[str]) -> None:
        self._list_count = round(parse_number(_one(parameters), "", 1, MAX_LIST_COUNT))

    def _set_trigger_source(self, parameters: list[str]) -> None:
        self._trigger_from_bus = parse_choice(_one(parameters), "BUS", "IMMediate") == "BUS"

    def _initiate(self) -> None:
        if not self._output:
            raise ScpiError(-221, "output is off")
        if self._list_mode and len(self._list_dwell) not in (1, len(self._list_volts)):
            raise ScpiError(-221, "list lengths differ")
        self._armed = True
        if not self._trigger_from_bus:
            self._trigger()

    def _trigger(self) -> None:
        if not self._armed:
            return
        self._armed = False
        if self._list_mode:
            dwell = self._list_dwell * (len(self._list_volts) if len(self._list_dwell) == 1 else 1)
            self._list_left = list(zip(self._list_volts, dwell, strict=True)) * self._list_count
            self._kernel.cancel(self._list_event)
            self._next_step()
        elif self._triggered_volts is not None:
            self._volts = self._triggered_volts
            self._move(self._volts, self._slew)

    def _next_step(self) -> None:
        self._list_event = None
        if not self._list_left:
            self._move(self._volts, self._slew)
            return
        volts, dwell = self._list_left.pop(0)
        self._list_event = self._kernel.after(round(dwell * TICKS_PER_SECOND), self._next_step)
        self._move(volts, self._slew)

    def _abort(self) -> None:
        self._armed = False
        if self._list_event is not None:
            self._kernel.cancel(self._list_event)
            self._list_event = None
            self._move(self._volts, self._slew)

    # ---- Saved state ----

    _WIRING = ("_kernel", "_terminals", "_identity", "_send", "_commands", "_errors", "_answers")

    def save(self) -> object:
        """The instrument's state, for `restore`; the rail keeps its own."""
        state = {key: value for key, value in self.__dict__.items() if key not in self._WIRING}
        return copy.deepcopy((state, self._errors._entries))

    def restore(self, state: Any) -> None:
        """Return to a state that `save` gave."""
        settings, errors = copy.deepcopy(state)
        self.__dict__.update(settings)
        self._errors._entries = errors


def _count(parameters: list[str], low: int, high: int) -> None:
    if len(parameters) < low:
        raise ScpiError(-109)
    if len(parameters) > high:
        raise ScpiError(-108)


def _one(parameters: list[str]) -> str:
    _count(parameters, 1, 1)
    return parameters[0]


def _join(values: list[float]) -> str:
    return ",".join(f"{value:.4f}" for value in values)
