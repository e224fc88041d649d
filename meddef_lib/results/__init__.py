"""From records to numbers, intervals and verdicts, without a model and without torch.

`metrics` and `statistics` turn records into numbers; `outcomes` puts them under the addresses of the paper's
table cells (`cells`); `verdicts` and `claims` compare them with what the paper prints; `document` is the
`results.json` of a run.
"""
