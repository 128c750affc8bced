"""Options of the rule that both kinds of layer are held to the formulas with."""

RULE_OPTIONS = [
    {},
    {"depression": 0.25},
    {"normalize_error": True},
    {"gate": 0.4},
    {"gate": 0.9, "gate_shape": "triangle"},
    {"wake_silent": True},
    {"gate": 0.4, "wake_silent": True, "unit": 0.25, "depression": 0.1},
]
