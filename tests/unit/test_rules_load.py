"""Packs: what is refused, with which reason at which line; and the packs that Hanan comes with, by their own tests."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.rules import app
from processors.rules.expression import Condition
from processors.rules.load import load_book, pack_files
from processors.rules.problems import RulesError
from processors.rules.rehearse import run
from processors.rules.scope import Scope
from processors.rules.tokens import Wrong
from schemas.streams import find_kind

HEAD = "pack: proof\nstream: heat\nsettings:\n  least: {value: 20, evidence: P}\nrules:\n"
TEXT = "    zh: {summary: x, todo: x}\n    en: {summary: x, todo: x}\n"


def pack(tmp_path: Path, rules: str) -> Path:
    path = tmp_path / "proof.yaml"
    path.write_text(HEAD + rules)
    return path


def problems(tmp_path: Path, rules: str) -> list[tuple[int, str]]:
    with pytest.raises(RulesError) as refused:
        load_book([pack(tmp_path, rules)])
    return [(one.line, one.why) for one in refused.value.problems]


def rule(when: str, *more: str) -> str:
    return "".join([f"  - id: proof-rule\n    kinds: [indoor]\n    when: {when}\n    severity: low\n", *more, TEXT])


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("temp_f < 20", "indoor has no metric temp_f; it has temp_c, humidity_percent"),
        ("temp_c <", "Syntax error"),
        ("temp_c + 1", "a condition is true or false, and this is float"),
        ("temp_c < setting.most", "the pack has no setting most"),
        ("temp_c < param.least_c", "indoor has no param least_c"),
        ("mean(temp_c) < 20", "')' where ',' should stand"),
        ("mean(temp_c, 12h) < 20", "looks back further than 6h"),
        ("others_median(temp_c) < 20", "others_... needs compare"),
        ("warm(temp_c)", "there is no function warm"),
        ("temp_c < 20 ; true", "';' at 13 is nothing that a condition may hold"),
        ("temp_c < true", "No such overload"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_at_its_line(tmp_path: Path, when: str, reason: str) -> None:
    found = problems(tmp_path, rule(when))
    assert [line for line, _ in found] == [8]
    assert reason in found[0][1]


class Said:
    """A reading; what it does not say is not known."""

    def __init__(self, **values: object) -> None:
        self.values = values
        self.get = values.get

    def param(self, name: str) -> None: ...
    def term(self, term: object) -> None: ...


@pytest.mark.parametrize(
    ("when", "values", "holds"),
    [
        ('status == "burning" || temp_c > 70', {"temp_c": 120.0}, True),
        ('status == "burning" || temp_c > 70', {"status": "burning"}, True),
        ('status == "burning" || temp_c > 70', {"temp_c": 20.0}, None),
        ('status == "burning" || temp_c > 70', {"status": "ok"}, None),
        ('status == "burning" && temp_c > 70', {"temp_c": 20.0}, False),
        ('status == "burning" && temp_c > 70', {"status": "ok"}, False),
        ('status == "burning" && temp_c > 70', {"temp_c": 120.0}, None),
        ('(status == "burning" || temp_c > 70) && fill > 0.5', {"temp_c": 120.0, "fill": 0.6}, True),
        ('(status == "burning" || temp_c > 70) && fill > 0.5', {"fill": 0.1}, False),
        ('fill > 0.5 || status == "burning" && abs(temp_c) > 70', {"fill": 0.6, "temp_c": 120.0}, True),
        ('fill > 0.5 || status == "burning" && abs(temp_c) > 70', {"fill": 0.1, "temp_c": 20.0}, False),
    ],
)
def test_what_is_not_known_matters_only_where_the_rest_does_not_decide(
    when: str, values: dict[str, object], holds: object
) -> None:
    kind = find_kind("waste", "bin")
    assert kind
    assert Condition(when, Scope(kind, {})).holds(Said(**values)) is holds


def test_a_word_that_a_state_never_says_is_refused() -> None:
    kind = find_kind("heat", "exchange")
    assert kind
    for source in ('circulation_pump == "broken"', 'circulation_pump in ["fault", "broken"]'):
        with pytest.raises(Wrong, match=r"never .*broken"):
            Condition(source, Scope(kind, {}))


@pytest.mark.parametrize(
    ("more", "line", "reason"),
    [
        ("    for: 5\n", 10, "5 is not a duration"),
        ("    levels: {low: temp_c < 10}\n", 6, "low is the rule's own severity"),
        ("    seson: heating\n", 10, "Extra inputs"),
        ("    season: winter\n", 10, "the pack has no season winter"),
        ("    inhibits: {rules: [proof-other]}\n", 6, "names proof-other, and there is no such rule"),
        ('    hours: {from: "6:00", to: "22:00"}\n', 10, "is not a time of day"),
        ("    show: [temp_f]\n", 10, "no metric temp_f"),
    ],
)
def test_what_else_is_wrong_has_its_line(tmp_path: Path, more: str, line: int, reason: str) -> None:
    found = problems(tmp_path, rule("temp_c < setting.least", more))
    assert any(at == line and reason in why for at, why in found), found


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    both = rule("temp_f < 20") + rule("temp_c <").replace("proof-rule", "proof-two")
    assert [line for line, _ in problems(tmp_path, both)] == [8, 14]


def test_no_two_rules_have_one_id(tmp_path: Path) -> None:
    found = problems(tmp_path, rule("temp_c < 20") + rule("temp_c < 19"))
    assert found[0][0] == 12
    assert "there is a rule proof-rule already" in found[0][1]


def test_a_file_that_is_no_yaml_is_a_line_and_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("pack: [\nrules: 3")
    with pytest.raises(RulesError, match=r"broken.yaml:2: "):
        load_book([path])


def test_every_default_rule_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    book = load_book()
    covered: dict[str, set[bool]] = {id_: set() for id_ in book.rules}
    failed = []
    for verdict in run(book, pack_files()):
        covered[verdict.case.rule].add(any("firing" in line for line in verdict.case.expect))
        if not verdict.passed:
            failed.append(f"{verdict.case.rule}: {verdict.case.name}: {verdict.got}")
    assert failed == []
    assert [id_ for id_, seen in covered.items() if seen != {True, False}] == []


def test_every_default_rule_says_where_its_figures_come_from() -> None:
    for id_, each in load_book().rules.items():
        uses_settings = "setting." in " ".join([each.when, each.given, each.clear, *each.levels.values()])
        assert each.evidence or uses_settings, id_


def test_the_command_checks_lists_and_tests(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["check"]).exit_code == 0
    assert "heat-room-cold" in runner.invoke(app, ["list", "--stream", "heat", "--json"]).output
    assert runner.invoke(app, ["test", "--rule", "heat-room-cold"]).exit_code == 0
    wrong = runner.invoke(app, ["check", str(pack(tmp_path, rule("temp_f < 20")))])
    assert wrong.exit_code == 1
    assert "proof.yaml:8:" in wrong.output
