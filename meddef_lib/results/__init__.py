"""From tables of records to numbers, intervals and verdicts, without a model and without torch.

`metrics` and `statistics` turn records into numbers; `outcomes` and `measured` put them under the
addresses of the paper's table cells; `verdicts` and `evidence` compare them with what the paper prints;
`parts` are what the document is made of, the `results.json` of a run (`results_json`).
"""
