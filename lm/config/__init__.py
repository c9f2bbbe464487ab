"""The config of a job: composed by Hydra, checked against the signatures it calls, made plain, and built.

Only this package and `lm.cli.call` import Hydra or OmegaConf. Its modules are imported one by one (`lm.config.build`,
`lm.config.check`, `lm.config.composition`, `lm.config.outline`, …), so that help and completion load neither.
"""
