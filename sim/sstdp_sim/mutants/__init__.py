"""Faults in the generated Verilog, many in one program, to show that the co-simulation finds them.

`numbers` flips bits of weights and thresholds, `logic` finds places for faults in the logic,
`instrument` makes one Verilog text that holds them all, `campaign` plays each of them, and
`equivalence` argues for what nobody noticed.
"""
