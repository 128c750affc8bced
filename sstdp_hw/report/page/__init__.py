"""The report as one HTML file that opens from disk without a network.

`evidence` gathers, one module per section makes parts (`parts`) of it, `write` fills the template.
Charts are Vega-Lite, made with Altair; why stands in docs/decisions/0018-report-page.md.
"""
