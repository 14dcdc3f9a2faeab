import ast
from pathlib import Path

import gateway.errors
from gateway.api.docs.errors import FAILURES
from gateway.api.errors import _FRAMEWORK
from gateway.errors import GatewayError

PACKAGE = Path(gateway.errors.__file__).parent
KINDS = {name: kind for name, kind in vars(gateway.errors).items() if isinstance(kind, type)}


def codes(expression):
    """List the codes that an expression for `code` can stand for."""
    if isinstance(expression, ast.Constant):
        return [expression.value]
    if isinstance(expression, ast.JoinedStr):
        return [kind + expression.values[-1].value for kind in ("integer", "decimal")]
    raise AssertionError(ast.dump(expression))


def raised_in(path):
    """Find every error of ours that a module makes, as (status, code)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            kind = KINDS[node.func.id]
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            for code in codes(given[0]) if given else [kind.code]:
                yield kind.status, code


def test_the_table_tells_exactly_the_errors_that_the_code_can_raise():
    """Whoever adds an error, or takes one out, hears of it here."""
    modules = [path for path in PACKAGE.rglob("*.py") if path.parts[len(PACKAGE.parts)] not in {"sandbox", "cli"}]
    raised = {error for path in modules for error in raised_in(path)}
    raised |= {(status, code) for status, (code, _) in _FRAMEWORK.items()}
    raised |= {(400, "invalid_request"), (401, None), (500, GatewayError.code)}
    assert {(row.status, row.code) for row in FAILURES} == raised


def test_each_row_has_the_type_and_the_retry_advice_of_its_kind():
    kinds = [kind for kind in KINDS.values() if issubclass(kind, GatewayError)]
    for row in FAILURES:
        advice = {kind.should_retry for kind in kinds if kind.status == row.status and kind.type == row.type}
        assert row.should_retry in (advice or {None}), row
        if row.status >= 500:
            assert row.type == "server_error", row
