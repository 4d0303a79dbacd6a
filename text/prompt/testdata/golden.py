"""Renders the templates as transformers does; writes golden.json beside itself.

    pip install transformers==4.57.6 jinja2==3.1.6
    python golden.py
"""
import datetime, glob, json, os
import transformers, jinja2
from transformers.utils import chat_template_utils as u

class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 5, 16, 7, 9)
u.datetime = Fixed

weather = {"type": "function", "function": {"name": "get_weather", "description": "Current weather of a city, in °C",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Such as \"München\" or <北京>"},
        "days": {"type": "integer", "minimum": 1, "maximum": 7.5}}, "required": ["city"], "additionalProperties": False}}}
add = {"type": "function", "function": {"name": "add", "description": "Add two numbers", "parameters": {"type": "object",
    "properties": {"b": {"type": "number"}, "a": {"type": "number"}}, "required": ["a", "b"]}}}
call = lambda id, name, args: {"id": id, "type": "function", "function": {"name": name, "arguments": args}}
S = lambda t: {"role": "system", "content": t}
U = lambda t: {"role": "user", "content": t}
A = lambda t, **k: {"role": "assistant", "content": t, **k}
T = lambda t, id, name: {"role": "tool", "content": t, "tool_call_id": id, "name": name}

cases = {
    "one": dict(messages=[U("What is 2 + 2?")]),
    "system": dict(messages=[S("You answer in one word."), U("Is water wet? <&> \"'")]),
    "turns": dict(messages=[U("Hi"), A("Hello! 你好 👋"), U("  Name a\ncolour\n")]),
    "whole": dict(messages=[S("Be brief."), U("Hi"), A("Hello")], add_generation_prompt=False),
    "tools": dict(messages=[S("Be brief."), U("Weather in München?")], tools=[weather, add]),
    "tools no system": dict(messages=[U("Add 1 and 2.5")], tools=[add]),
    "called": dict(messages=[U("Weather in 北京?"), A("", tool_calls=[call("abc123xyz", "get_weather", {"city": "北京", "days": 2})]),
        T("{\"celsius\": 21.5}", "abc123xyz", "get_weather")], tools=[weather]),
    "called and told": dict(messages=[S("S"), U("Sum?"), A("", tool_calls=[call("abc123xyz", "add", {"a": 1, "b": 1e6})]),
        T("1000001", "abc123xyz", "add"), A("It is 1000001."), U("Thanks")], tools=[add, weather]),
    "thought": dict(messages=[U("17*3?"), A("51", reasoning_content="10*3 + 7*3"), U("And 18*3?")]),
    "thinking off": dict(messages=[U("17*3?")], enable_thinking=False),
    "roles": dict(messages=[U("a"), U("b")]),
}

out = {"transformers": transformers.__version__, "jinja2": jinja2.__version__, "cases": []}
here = os.path.dirname(os.path.abspath(__file__))
for path in sorted(glob.glob(os.path.join(here, "templates", "*.jinja"))):
    name = os.path.basename(path)[:-6]
    source = open(path, newline="").read()
    for title, case in cases.items():
        case = json.loads(json.dumps(case))
        given = json.loads(json.dumps(case))
        if name == "minimax-m1":
            for m in case["messages"]:
                m["content"] = [{"type": "text", "text": m["content"]}]
        if title.startswith("called") and name in ("mistral", "gemma-3", "chatml", "smollm2") or "tools" in case and "tools" not in source:
            continue
        row = {"template": name, "title": title, **given}
        kwargs = {k: v for k, v in case.items() if k not in ("messages", "tools", "add_generation_prompt")}
        try:
            text, _ = u.render_jinja_template([case["messages"]], tools=case.get("tools"), chat_template=source,
                add_generation_prompt=case.get("add_generation_prompt", True), bos_token="<BOS>", eos_token="<EOS>", **kwargs)
            row["want"] = text[0]
        except jinja2.exceptions.TemplateError as e:
            row["error"] = str(e)
        out["cases"].append(row)
# White space: random sequences of pieces, printed by jinja2 as transformers sets it up.
import random
random.seed(7)
from jinja2.sandbox import ImmutableSandboxedEnvironment
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
pieces = [" ", "  ", "\n", "\n\n", "\t", "a", "b\\n", "\"q\\", "{{ x }}", "{{- x }}", "{{ x -}}", "{{- x -}}", "{% set y = 1 %}", "{%- set y = 1 %}",
    "{% set y = 1 -%}", "{%- set y = 1 -%}", "{%+ set y = 1 %}", "{% set y = 1 +%}", "{# c #}", "{#- c -#}", "{% raw %} {{ x }} \n {% endraw %}",
    "{%- raw -%} {% \n {%- endraw -%}", "{% for i in [1, 2] %} {{ i }}\n{% endfor %}", "{{ 'a\\n\\u00e9\\'' }}", "{% if x %}\n  t\n  {% endif %}"]
out["white"] = []
for _ in range(300):
    source = "".join(random.choice(pieces) for _ in range(random.randint(1, 12)))
    out["white"].append({"source": source, "want": env.from_string(source).render(x="X")})
json.dump(out, open(os.path.join(here, "golden.json"), "w"), ensure_ascii=False, indent=1)
print(len(out["cases"]), "cases")
