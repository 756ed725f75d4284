"""What a function's bytecode does with the names it sees: read, changed, called, given away.

An abstract interpretation in one linear pass: the stack holds, instead of values, the references each value comes
from. An instruction that is not known here takes its operands away ("escaped") and leaves something unknown, so a
newer Python can make the answer less exact but not wrong in the direction that matters.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CodeType

__all__ = ["MUTATORS", "Call", "Import", "Ref", "Uses", "trace"]

MUTATORS = frozenset(
    (
        "add append appendleft clear discard difference_update extend extendleft fill insert intersection_update "
        "itemset move_to_end pop popitem popleft put put_nowait remove resize reverse rotate setdefault sort subtract "
        "symmetric_difference_update update __setitem__ __delitem__ __setattr__ __iadd__ __ior__"
    ).split()
)
"""Methods that change the container they are called on."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A name (scope ``global``, ``free`` or ``arg``) and the attributes read from it; ``()`` marks a call's result."""

    scope: str
    name: str
    path: tuple[str, ...] = ()

    def attribute(self, name: str) -> Ref:
        """Return the reference to an attribute of this one."""
        return Ref(self.scope, self.name, (*self.path, name)) if len(self.path) < 8 else self


Value = frozenset[Ref]
NOTHING: Value = frozenset()


@dataclass(frozen=True, slots=True)
class Call:
    """A call: what the callee comes from, and the positional arguments; ``names``: keywords of the last ones."""

    callee: Value
    arguments: tuple[Value, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement inside a function."""

    module: str
    level: int
    names: tuple[str, ...]


@dataclass
class Uses:
    """Everything that a code object, with the code nested in it, does with references."""

    loaded: dict[Ref, None] = field(default_factory=dict)  # in the order of first use
    mutated: set[Ref] = field(default_factory=set)
    stored: set[Ref] = field(default_factory=set)  # attributes that are assigned or deleted
    rebound: set[tuple[str, str]] = field(default_factory=set)
    escaped: set[Ref] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)  # names read from anything


def trace(code: CodeType, known: Mapping[str, Value] | None = None) -> Uses:
    """Return what ``code`` does. ``known``: what some of its local names stand for, its arguments for instance."""
    uses = Uses()
    _trace_into(code, dict(known or {}), {name: frozenset({Ref("free", name)}) for name in code.co_freevars}, uses)
    return uses


def _trace_into(code: CodeType, local: dict[str, Value], free: dict[str, Value], uses: Uses) -> None:
    tracer = _Tracer(code, local, free, uses)
    tracer.run()
    for nested in tracer.nested:
        seen = {name: tracer.cells(name) for name in nested.co_freevars}
        _trace_into(nested, {}, seen, uses)


class _Tracer:
    """One pass over one code object."""

    def __init__(self, code: CodeType, local: dict[str, Value], free: dict[str, Value], uses: Uses):
        self.code = code
        self.local = local
        self.free = free
        self.uses = uses
        self.stack: list[Value] = []
        self.waiting: dict[int, list[Value]] = {}  # stacks of forward jumps, by target offset
        self.nested: list[CodeType] = []
        self.closure_names = {*code.co_cellvars, *code.co_freevars}
        self.keywords: tuple[str, ...] = ()
        self.constants: list[object] = []  # of the latest LOAD_CONSTs: what IMPORT_NAME and CALL_KW take

    def cells(self, name: str) -> Value:
        """What a name of this code stands for when nested code captures it."""
        return self.free[name] if name in self.free else self.local.get(name, NOTHING)

    def run(self) -> None:
        alive = True
        for instruction in dis.get_instructions(self.code):
            waiting = self.waiting.pop(instruction.offset, None)
            if waiting is not None:
                self.stack = self._merge(waiting) if alive else waiting
            elif not alive:
                self.stack = []
            alive = self._step(instruction)

    def _merge(self, other: list[Value]) -> list[Value]:
        if len(other) != len(self.stack):
            return self.stack
        return [mine | theirs for mine, theirs in zip(self.stack, other, strict=True)]

    def _step(self, instruction: dis.Instruction) -> bool:
        """Apply one instruction; answer whether the next one follows it."""
        name = instruction.opname
        jumps = instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs
        before = list(self.stack) if jumps else []
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, instruction)
        else:
            self._unknown(instruction)
        if jumps and instruction.argval > instruction.offset:
            self.waiting.setdefault(instruction.argval, self._at_target(instruction, before))
        return not name.startswith(_ENDS)

    def _at_target(self, instruction: dis.Instruction, before: list[Value]) -> list[Value]:
        effect = _effect(instruction, jump=True)
        return before[:effect] if effect < 0 else before + [NOTHING] * effect

    def push(self, value: Value) -> None:
        self.stack.append(value)
        for ref in value:
            self.uses.loaded.setdefault(ref)

    def pop(self) -> Value:
        return self.stack.pop() if self.stack else NOTHING

    def peek(self, depth: int = 1) -> Value:
        return self.stack[-depth] if len(self.stack) >= depth else NOTHING

    def give_away(self, value: Value) -> None:
        self.uses.escaped |= value

    def _unknown(self, instruction: dis.Instruction) -> None:
        effect = _effect(instruction)
        if effect > 0:
            self.stack += [NOTHING] * effect
            return
        for _ in range(1 - effect):
            self.give_away(self.pop())
        self.stack.append(NOTHING)


def _effect(instruction: dis.Instruction, jump: bool = False) -> int:
    argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
    try:
        return dis.stack_effect(instruction.opcode, argument, jump=jump)
    except ValueError:
        return 0


# Instructions after which the next one is reached by a jump only.
_ENDS = ("RETURN_", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "JUMP_NO_INTERRUPT")

Handler = Callable[[_Tracer, dis.Instruction], None]
_HANDLERS: dict[str, Handler] = {}


def _on(*names: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


@_on("NOP", "CACHE", "RESUME", "EXTENDED_ARG", "PRECALL", "MAKE_CELL", "COPY_FREE_VARS", "NOT_TAKEN", "GET_ITER")
@_on("GET_AITER", "GET_YIELD_FROM_ITER", "TO_BOOL", "GEN_START")
def _no_effect(tracer: _Tracer, instruction: dis.Instruction) -> None:
    """The stack keeps its references (an iterator stands for what it runs over)."""


@_on("POP_TOP", "POP_ITER", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE")
@_on(
    "POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_FORWARD_IF_NONE", "POP_JUMP_FORWARD_IF_NOT_NONE"
)
@_on("POP_JUMP_BACKWARD_IF_TRUE", "POP_JUMP_BACKWARD_IF_FALSE")
def _drop(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.pop()


@_on("IS_OP")
def _identity(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.pop()
    tracer.pop()
    tracer.push(NOTHING)


@_on("LOAD_CONST", "LOAD_SMALL_INT")
def _constant(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.constants = [*tracer.constants[-1:], instruction.argval]
    if isinstance(instruction.argval, CodeType):
        tracer.nested.append(instruction.argval)
    tracer.push(NOTHING)


@_on("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_BORROW")
@_on("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")
def _load_local(tracer: _Tracer, instruction: dis.Instruction) -> None:
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    for name in names:
        captured = name in tracer.closure_names  # since 3.13 this is how a cell is loaded for a closure
        tracer.push(NOTHING if captured else tracer.local.get(name, NOTHING))


@_on("STORE_FAST", "STORE_FAST_MAYBE_NULL")
def _store_local(tracer: _Tracer, instruction: dis.Instruction) -> None:
    name = instruction.argval
    tracer.local[name] = tracer.local.get(name, NOTHING) | tracer.pop()


@_on("STORE_FAST_STORE_FAST")
def _store_two(tracer: _Tracer, instruction: dis.Instruction) -> None:
    for name in instruction.argval:
        tracer.local[name] = tracer.local.get(name, NOTHING) | tracer.pop()


@_on("STORE_FAST_LOAD_FAST")
def _store_and_load(tracer: _Tracer, instruction: dis.Instruction) -> None:
    stored, loaded = instruction.argval
    tracer.local[stored] = tracer.local.get(stored, NOTHING) | tracer.pop()
    tracer.push(tracer.local.get(loaded, NOTHING))


@_on("LOAD_CLOSURE")
def _load_cell(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.push(NOTHING)  # nested code is traced with what the cell stands for


@_on("LOAD_DEREF", "LOAD_CLASSDEREF")
def _load_captured(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.push(tracer.cells(instruction.argval))


@_on("STORE_DEREF", "DELETE_DEREF")
def _store_captured(tracer: _Tracer, instruction: dis.Instruction) -> None:
    name = instruction.argval
    if instruction.opname == "STORE_DEREF":
        value = tracer.pop()
        if name not in tracer.free:
            tracer.local[name] = tracer.local.get(name, NOTHING) | value
            return
        tracer.give_away(value)
    if Ref("free", name) in tracer.cells(name):
        tracer.uses.rebound.add(("free", name))


@_on("LOAD_GLOBAL", "LOAD_NAME")
def _load_global(tracer: _Tracer, instruction: dis.Instruction) -> None:
    if _effect(instruction) > 1:
        tracer.push(NOTHING)
    tracer.push(frozenset({Ref("global", instruction.argval)}))


@_on("STORE_GLOBAL", "DELETE_GLOBAL")
def _store_global(tracer: _Tracer, instruction: dis.Instruction) -> None:
    if instruction.opname == "STORE_GLOBAL":
        tracer.give_away(tracer.pop())
    tracer.uses.rebound.add(("global", instruction.argval))


@_on("LOAD_ATTR", "LOAD_METHOD")
def _load_attribute(tracer: _Tracer, instruction: dis.Instruction) -> None:
    owner, name = tracer.pop(), instruction.argval
    tracer.uses.attributes.add(name)
    if name in MUTATORS:
        tracer.uses.mutated |= owner
    if _effect(instruction) > 0:
        tracer.push(NOTHING)
    tracer.push(frozenset(ref.attribute(name) for ref in owner))


@_on("STORE_ATTR")
def _store_attribute(tracer: _Tracer, instruction: dis.Instruction) -> None:
    _delete_attribute(tracer, instruction)
    tracer.give_away(tracer.pop())


@_on("DELETE_ATTR")
def _delete_attribute(tracer: _Tracer, instruction: dis.Instruction) -> None:
    owner = tracer.pop()
    tracer.uses.mutated |= owner
    tracer.uses.stored |= {ref.attribute(instruction.argval) for ref in owner}


@_on("STORE_SUBSCR")
def _store_item(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.give_away(tracer.pop())
    tracer.uses.mutated |= tracer.pop()
    tracer.give_away(tracer.pop())


@_on("STORE_SLICE")
def _store_slice(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.pop()
    tracer.pop()
    tracer.uses.mutated |= tracer.pop()
    tracer.give_away(tracer.pop())


@_on("DELETE_SUBSCR")
def _delete_item(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.give_away(tracer.pop())
    tracer.uses.mutated |= tracer.pop()


@_on("BINARY_SUBSCR", "BINARY_SLICE")
def _item(tracer: _Tracer, instruction: dis.Instruction) -> None:
    for _ in range(1 if instruction.opname == "BINARY_SUBSCR" else 2):
        tracer.give_away(tracer.pop())
    tracer.push(tracer.pop())  # an item stands for its container


@_on("BINARY_OP", *(name for name in dis.opmap if name.startswith("INPLACE_")))
def _binary(tracer: _Tracer, instruction: dis.Instruction) -> None:
    right, left = tracer.pop(), tracer.pop()
    tracer.give_away(right)
    if instruction.argrepr == "[]":  # since 3.14 this is BINARY_SUBSCR
        tracer.push(left)
        return
    if instruction.opname != "BINARY_OP" or instruction.argrepr.endswith("="):
        tracer.uses.mutated |= left
    tracer.give_away(left)
    tracer.push(NOTHING)


@_on("FOR_ITER")
def _next_item(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.push(tracer.peek())


@_on("UNPACK_SEQUENCE")
def _unpack(tracer: _Tracer, instruction: dis.Instruction) -> None:
    value = tracer.pop()
    for _ in range(instruction.arg or 0):
        tracer.push(value)


@_on("COPY", "DUP_TOP")
def _copy(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.push(tracer.peek(instruction.arg or 1))


@_on("DUP_TOP_TWO")
def _copy_two(tracer: _Tracer, instruction: dis.Instruction) -> None:
    under, top = tracer.peek(2), tracer.peek(1)
    tracer.push(under)
    tracer.push(top)


@_on("SWAP")
def _swap(tracer: _Tracer, instruction: dis.Instruction) -> None:
    depth = instruction.arg or 1
    if len(tracer.stack) >= depth:
        tracer.stack[-1], tracer.stack[-depth] = tracer.stack[-depth], tracer.stack[-1]


@_on("ROT_TWO", "ROT_THREE", "ROT_FOUR", "ROT_N")
def _rotate(tracer: _Tracer, instruction: dis.Instruction) -> None:
    depth = {"ROT_TWO": 2, "ROT_THREE": 3, "ROT_FOUR": 4}.get(instruction.opname, instruction.arg or 1)
    if len(tracer.stack) >= depth:
        top = tracer.stack.pop()
        tracer.stack.insert(len(tracer.stack) - depth + 1, top)


@_on("IMPORT_NAME")
def _import(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.pop()
    tracer.pop()
    level, names = tracer.constants[-2:] if len(tracer.constants) > 1 else (0, None)
    wanted = names if isinstance(names, tuple) else ()
    tracer.uses.imports.append(Import(instruction.argval, level if isinstance(level, int) else 0, wanted))
    tracer.push(NOTHING)


@_on("KW_NAMES")
def _keyword_names(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.keywords = tracer.code.co_consts[instruction.arg or 0]


def _called(tracer: _Tracer, count: int, under: int) -> None:
    """A call with ``count`` arguments; the callee is among the ``under`` values below them."""
    arguments = [tracer.pop() for _ in range(count)][::-1]
    callee = frozenset().union(*(tracer.pop() for _ in range(under)))
    tracer.uses.calls.append(Call(callee, tuple(arguments), tracer.keywords))
    tracer.keywords = ()
    # A method's result may be part of its owner (d.get(k), d.values()); a plain function's is its own.
    tracer.push(frozenset(ref.attribute("()") for ref in callee if ref.path))


@_on("CALL", "CALL_METHOD")
def _call(tracer: _Tracer, instruction: dis.Instruction) -> None:
    _called(tracer, instruction.arg or 0, 2)


@_on("CALL_FUNCTION")
def _call_function(tracer: _Tracer, instruction: dis.Instruction) -> None:
    _called(tracer, instruction.arg or 0, 1)


@_on("CALL_KW", "CALL_FUNCTION_KW")
def _call_with_keywords(tracer: _Tracer, instruction: dis.Instruction) -> None:
    tracer.pop()
    names = tracer.constants[-1] if tracer.constants else ()
    tracer.keywords = names if isinstance(names, tuple) else ()
    _called(tracer, instruction.arg or 0, 2 if instruction.opname == "CALL_KW" else 1)
