"""What an alert says, put together in Flux from its rule's text and its values, as messages to people have it."""

import json
import re
from collections.abc import Mapping

from grafana.words import Language, Words

FIELDS = ("name", "values")  # which fields of an alert the text is made of


def said(rules: Mapping[str, Words], language: Language) -> str:
    """A Flux function `said(r)`: the text for a row with rule, subject, name and values; the rule itself where it has none."""
    texts = {rule: words.of(language) for rule, words in rules.items()}
    if not texts:
        return "said = (r) => r.rule"
    holes = max(len(re.findall(r"{(?!name})", text)) for text in texts.values())
    known = ", ".join(f"{json.dumps(rule)}: {json.dumps(text, ensure_ascii=False)}" for rule, text in texts.items())
    return f"""import "dict"
import "regexp"
import "strings"
texts = [{known}]
value = (r, name) => strings.replaceAll(
  v: regexp.findString(r: regexp.compile(v: "\\\\b" + name + "=[^,]*"), v: r.values), t: name + "=", u: "")
filled = (t=<-, r) => {{
  hole = regexp.findString(r: /\\{{\\w+\\}}/, v: t)
  return if hole == "" then t else strings.replaceAll(v: t, t: hole, u: value(r: r, name: strings.trim(v: hole, cutset: "{{}}")))
}}
called = (t=<-, r) => strings.replaceAll(v: t, t: "{{name}}", u: if r.name == "-" then r.subject else r.name)
said = (r) => dict.get(dict: texts, key: r.rule, default: r.rule + " " + r.values)
  |> called(r: r){" |> filled(r: r)" * holes}"""
