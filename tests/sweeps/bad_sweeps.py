"""Sweep files that must be refused, and what the refusal must name; for `load_sweep` and for the command line."""

from __future__ import annotations

PATTERNS = "paper: li2024\n"

# What the file says → words that the one line must hold: the key, the value, what is allowed.
BAD_SWEEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    # YAML that a sweep file has no use for
    "bomb of aliases": (
        "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        ("a = '&a'", "no anchor"),
    ),
    "bomb of merge keys": (
        "a: &a {x: 1}\n"
        + "".join(f"{b}: &{b} {{<<: [*{a}, *{a}]}}\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        ("a = '&a'", "no anchor"),
    ),
    "10,000 brackets": ("[" * 10_000, ("got 17", "at most 16 levels of nesting")),
    "10,000 dashes": ("- " * 10_000, ("got 17", "at most 16 levels of nesting")),
    "anchor on a key": ("&k paper: li2024\n", ("key of the top level", "'paper'")),
    "alias alone": (PATTERNS + "vary: {task.alpha: *other}\n", ("vary.task.alpha = '*other'", "no alias")),
    "merge key": (PATTERNS + "vary: {<<: {task.alpha: [1]}}\n", ("vary.<<.task.alpha", "from")),
    "python tag": ("paper: !!python/object/apply:os.system [ls]\n", ("paper = ", "python/object", "no tag")),
    "python name": ("paper: !!python/name:os.system x\n", ("paper = ", "python/name", "no tag")),
    "own tag": ("paper: !mine li2024\n", ("paper = '!mine'", "no tag")),
    "bytes": (PATTERNS + "seeds: !!binary aGVsbG8=\n", ("seeds = ", "binary", "no tag")),
    "string tag": (PATTERNS + "seeds: !!int '3'\n", ("seeds = ", "no tag")),
    "key twice": (
        PATTERNS + "seeds: 2\nseeds: 3\n",
        ("seeds: expected each key once", "got a second one in line 3"),
    ),
    "varied twice in YAML": (
        PATTERNS + "vary:\n  task.alpha: [0.1]\n  task.alpha: [0.2]\n",
        ("vary.task.alpha", "a second one in line 4"),
    ),
    "deep nesting": ("a: " + "[" * 60_000, ("got 17", "at most 16 levels of nesting")),
    "deep mappings": ("{a: " * 60_000, ("a.a.a", "got 17")),
    "two documents": (PATTERNS + "---\npaper: garg2022\n", ("got a second one",)),
    "not YAML": ("paper: [li2024\n", ("is not YAML",)),
    "a tab": ("base:\n\ttask: {}\n", ("line 2", "not YAML")),
    "control characters": ("paper: li2024\x07\n", ("not YAML",)),
    "control characters in a key": ('"\\e[2J": 1\n', ("key of the top level", "printable")),
    "a list at the top": ("- paper: li2024\n", ("top level", "a mapping")),
    "a text at the top": ("li2024\n", ("top level", "'li2024'", "a mapping")),
    "nothing": ("# only a comment\n", ("top level", "None", "a mapping")),
    "a key that is a list": ("? [a, b]\n: 1\n", ("a key of the top level", "a text")),
    # numbers that are none
    "nan": (PATTERNS + "vary: {task.alpha: [0.1, .nan]}\n", ("vary.task.alpha[1] = .nan", "finite")),
    "inf": (PATTERNS + "base: {training: {learning_rate: .inf}}\n", ("base.training.learning_rate = .inf", "finite")),
    "too large": (PATTERNS + "vary: {task.beta: [1e400]}\n", ("vary.task.beta[0] = '1e400'", "finite", "too large")),
    "nan as a word": (PATTERNS + "vary: {task.beta: [nan]}\n", ("task.beta = 'nan'",)),
    "a number in quotes": (PATTERNS + "vary: {task.alpha: ['0.8']}\n", ("task.alpha = '0.8'", "without quotes, 0.8")),
    "an integer in quotes": (PATTERNS + "base: {task: {M1: '6'}}\n", ("task.M1 = '6'", "without quotes, 6")),
    "an underscore": (PATTERNS + "base: {training: {steps: 1_000}}\n", ("training.steps = '1_000'", "1000")),
    "hexadecimal": (PATTERNS + "base: {training: {steps: 0x10}}\n", ("training.steps = '0x10'", "whole number")),
    "a sexagesimal": (PATTERNS + "base: {training: {steps: 1:30}}\n", ("training.steps = '1:30'", "whole number")),
    "a decimal comma": (PATTERNS + "vary: {task.alpha: ['0,8']}\n", ("task.alpha = '0,8'", "number")),
    "true as a number": (PATTERNS + "base: {task: {beta: true}}\n", ("task.beta = True", "a number")),
    "true as an integer": (PATTERNS + "vary: {model.width: [true]}\n", ("model.width = True", "a number")),
    "yes for true": (
        PATTERNS + "base: {training: {rate_decay: yes}}\n",
        ("training.rate_decay = 'yes'", "true or false"),
    ),
    "1 for true": (PATTERNS + "base: {training: {rate_decay: 1}}\n", ("training.rate_decay = 1", "true or false")),
    "half a step": (PATTERNS + "base: {training: {steps: 2.5}}\n", ("training.steps = 2.5", "whole number")),
    "many digits": (PATTERNS + f"seeds: [{'9' * 9000}]\n", ("seeds[0] = '999", "at most 18 digits")),
    "null for a number": (PATTERNS + "base: {task: {alpha: }}\n", ("task.alpha = None", "number")),
    "a number in a pair in quotes": (PATTERNS + "vary: {task.length: [[2, '20']]}\n", ("task.length[1] = '20'", "20")),
    "a date": (PATTERNS + "base: {training: {steps: 2024-01-01}}\n", ("training.steps = '2024-01-01'", "whole number")),
    "true for seeds": (PATTERNS + "seeds: true\n", ("seeds = True", "whole number")),
    "a text for a number": (PATTERNS + "vary: {task.alpha: [half]}\n", ("vary.task.alpha = 'half'", "number")),
    "a size that is a real number": (
        PATTERNS + "base: {task: {length: 1e12}}\n",
        ("base.task.length = 1000000000000.0", "at most 100,000"),
    ),
    "a varied size beyond memory": (
        "paper: huang2024\nvary: {task.length: [80, 1e12]}\n",
        ("vary.task.length = 1000000000000.0", "at most 100,000"),
    ),
    "a range of sizes beyond memory": (
        PATTERNS + "vary: {task.length: {from: 1, to: 1e12, count: 4, integer: true}}\n",
        ("vary.task.length = 1000000000000", "at most 100,000"),
    ),
    "a size in a pair": (
        PATTERNS + "vary: {task.length: [[2, 1e12]]}\n",
        ("vary.task.length = [2, 1000000000000.0]", "at most 100,000"),
    ),
    "a size of a shift": (
        PATTERNS + "base: {task: {shift: {S1: 1.2, M1: 1e12}}}\n",
        ("base.task.shift.M1 = 1000000000000.0", "at most 1,000"),
    ),
    "a size of a test": (
        PATTERNS + "tests: {a: {vary: {length: [5, 1e12]}}}\n",
        ("tests.a.vary.length = 1000000000000.0", "at most 100,000"),
    ),
    "a batch beyond memory": (
        PATTERNS + "vary: {training.batch_size: [1e12]}\n",
        ("vary.training.batch_size = 1000000000000.0", "at most 1,000,000"),
    ),
    "a record beyond memory": (
        PATTERNS + "base: {evaluation: {on: {own: {}}, prompts: 1000000000}}\n",
        ("base.evaluation.prompts = 1000000000", "at most 1,000,000"),
    ),
    "steps without end": (PATTERNS + "base: {training: {steps: 1e17}}\n", ("base.training.steps = 1e+17", "at most")),
    # settings that stand in the wrong place
    "a dotted name in base": (
        PATTERNS + "base: {task.alpha: 0.5}\n",
        ("base.task.alpha = 0.5", "did you mean base: {task: {alpha: …}}?"),
    ),
    "a setting without its part in base": (
        PATTERNS + "base: {learning_rate: 0.5}\n",
        ("base.learning_rate = 0.5", "did you mean base: {training: {learning_rate: …}}?"),
    ),
    "a dotted name below base": (
        PATTERNS + "base: {task: {shift.S1: 1.3}}\n",
        ("base.task.shift.S1 = 1.3", "did you mean shift: {S1: …}?"),
    ),
    "a setting at the top": (
        PATTERNS + "learning_rate: 0.5\n",
        ("learning_rate = 0.5", "did you mean base: {training: {learning_rate: …}}?"),
    ),
    "a dotted name at the top": (
        PATTERNS + "task.shift.S1: 1.3\n",
        ("task.shift.S1 = 1.3", "did you mean base: {task: {shift: {S1: …}}}?"),
    ),
    "a part at the top": (PATTERNS + "task: {alpha: 0.5}\n", ("task = {'alpha'", "did you mean base: {task: …}?")),
    "a setting of a test beside its task": (
        PATTERNS + "tests: {x: {alpha: 0.5}}\n",
        ("tests.x.alpha = 0.5", "task, vary, prompts; did you mean task: {alpha: …}?"),
    ),
    "a dotted setting of a test beside its task": (
        PATTERNS + "tests: {x: {task.shift.S1: 1.3}}\n",
        ("tests.x.task.shift.S1 = 1.3", "did you mean task: {shift: {S1: …}}?"),
    ),
    "a test that varies by the sweep's names": (
        PATTERNS + "tests: {a: {vary: {task.alpha: [0.1]}}}\n",
        ("tests.a.vary.task.alpha = [0.1]", "without 'task.'", "did you mean alpha?"),
    ),
    "a test that varies a model": (
        PATTERNS + "tests: {a: {vary: {model.width: [10]}}}\n",
        ("tests.a.vary.model.width = [10]", "settings of the task only", "at the top, under vary: {model.width}"),
    ),
    "a setting that is none below one": (
        PATTERNS + "vary: {task.alpha.x: [1]}\n",
        ("vary.task.alpha = {'x': 1}", "number"),
    ),
    # settings that are not there, or not allowed
    "unknown at the top": ("papers: li2024\n", ("papers = 'li2024'", "did you mean paper?")),
    "unknown part": (PATTERNS + "base: {trainig: {steps: 3}}\n", ("base.trainig", "did you mean training?")),
    "unknown setting": (PATTERNS + "base: {task: {alhpa: 0.2}}\n", ("base.task.alhpa = 0.2", "did you mean alpha?")),
    "unknown setting below": (PATTERNS + "base: {task: {shift: {s1: 1}}}\n", ("task.shift.s1 = 1", "did you mean S1?")),
    "unknown schedule": (
        "paper: garg2022\npreset: lab\nbase: {training: {schedule: {evry: 3}}}\n",
        ("training.schedule.evry = 3", "did you mean every?"),
    ),
    "unknown kind": (
        PATTERNS + "base: {task: {kind: pattern}}\n",
        ("task.kind = 'pattern'", "did you mean patterns?", "icl.register"),
    ),
    "another kind's setting": (PATTERNS + "base: {model: {layers: 3}}\n", ("model.layers = 3", "width")),
    "no task": (
        "base: {model: {kind: softmax_relu}}\n",
        ("base.task.kind = None", "patterns", "or a line 'paper: li2024' (garg2022, "),
    ),
    "no model": (
        "base: {task: {kind: patterns}}\n",
        ("base.model.kind = None", "softmax_relu", "or a line 'paper: li2024' (garg2022, ", "which gives the rest"),
    ),
    "no kind": ("base: {task: {alpha: 1}, model: {width: 2}}\n", ("task.kind = None", "patterns")),
    "unknown paper": ("paper: li2025\n", ("paper = 'li2025'", "did you mean li2024?")),
    "unknown figure": (PATTERNS + "figure: atention\n", ("figure = 'atention'", "attention")),
    "unknown preset": (PATTERNS + "preset: huge\n", ("preset = 'huge'", "quick, lab, paper")),
    "a figure of no paper": ("figure: attention\n", ("figure = 'attention'", "with a paper")),
    "out of range": (PATTERNS + "vary: {task.alpha: [0.2, 1.2]}\n", ("vary.task.alpha = 1.2",)),
    "a wrong word": (
        PATTERNS + "base: {training: {optimizer: sdg}}\n",
        ("training.optimizer = 'sdg'", "'sgd', 'adam' or 'muon'"),
    ),
    "sizes that do not fit": (PATTERNS + "vary: {task.M2: [24, 25]}\n", ("task: M1 + M2 = 31", "(at task.M2 = 25)")),
    "dimensions that do not fit": (PATTERNS + "vary: {task.d_X: [30, 40]}\n", ("(d_X, d_Y)", "(at task.d_X = 40)")),
    "a loss that does not fit": (
        "paper: garg2022\nbase: {training: {loss: hinge}}\n",
        ("training.loss = 'hinge'", "squared"),
    ),
    "a target without a record": (
        PATTERNS + "base: {training: {target_risk: 0.1}}\n",
        ("training.target_risk = 0.1", "None", "evaluation: {on: {test: {}}, probes: [risk]}"),
    ),
    "a bad record": (
        PATTERNS + "base: {evaluation: {on: {unseen: {tasks: unsen}}}}\n",
        ("evaluation.on.unseen.tasks = 'unsen'", "'unseen'"),
    ),
    "a record of nothing": (
        PATTERNS + "base: {evaluation: {on: {unseen: 3}}}\n",
        ("evaluation.on.unseen = 3", "changes"),
    ),
    "too many patterns to list": (
        PATTERNS + "base: {task: {M1: 100000, d_X: 100024}}\n",
        ("task.M1 = 100000", "1,000"),
    ),
    "a size beyond memory": (
        PATTERNS + "base: {model: {width: 1000000000}}\n",
        ("model.width = 1000000000", "100,000"),
    ),
    "a number whose powers overflow": (
        "paper: zhang2024\nbase: {model: {initial_scale: 1e300}}\n",
        ("model.initial_scale = 1e+300", "at most 1e+30"),
    ),
    # what is varied
    "an unknown varied setting": (
        PATTERNS + "vary: {task.alhpa: [1]}\n",
        ("vary.task.alhpa = 1", "did you mean alpha?"),
    ),
    "a varied setting without its part": (
        PATTERNS + "vary: {alpha: [1]}\n",
        ("vary.alpha = 1", "did you mean task.alpha?"),
    ),
    "a varied setting of no part": (
        PATTERNS + "vary: {tsk.alpha: [1]}\n",
        ("vary.tsk.alpha = 1", "did you mean task.alpha?"),
    ),
    "a varied seed": (PATTERNS + "vary: {seed: [1, 2]}\n", ("vary.seed = 1", "a setting of task")),
    "an empty list": (PATTERNS + "vary: {task.alpha: []}\n", ("vary.task.alpha = []", "at least one")),
    "no list": (PATTERNS + "vary: {task.alpha: 0.3}\n", ("vary.task.alpha = 0.3", "a list of values, or a range")),
    "no values": (PATTERNS + "vary: {task.alpha: }\n", ("vary.task.alpha = None", "a list of values, or a range")),
    "nothing but a list": (PATTERNS + "vary: [task.alpha]\n", ("vary = ['task.alpha']", "settings by name")),
    "a value twice": (PATTERNS + "vary: {task.beta: [1, 2, 1.0]}\n", ("vary.task.beta = 1.0", "each value once")),
    "a setting twice": (
        PATTERNS + "vary: {task.alpha: [0.1]}\ntogether: [{task.alpha: [0.2], task.beta: [1]}]\n",
        ("task.alpha", "varied already"),
    ),
    "a part of a setting": (
        PATTERNS + "vary: {task.shift: [null], task.shift.S1: [1]}\n",
        ("task.shift.S1", "already"),
    ),
    "unequal lists together": (
        PATTERNS + "together: [{task.alpha: [0.1, 0.2], task.beta: [1]}]\n",
        ("number of values in together[0]", "equally many"),
    ),
    "one alone together": (PATTERNS + "together: [{task.alpha: [0.1]}]\n", ("together[0]", "two settings or more")),
    "a range without an end": (PATTERNS + "vary: {task.alpha: {from: 0, count: 3}}\n", ("vary.task.alpha", "with to")),
    "a range without a count": (PATTERNS + "vary: {task.alpha: {from: 0, to: 1}}\n", ("task.alpha", "with a count")),
    "a range backwards": (
        PATTERNS + "vary: {task.alpha: {from: 1, to: 0, count: 3}}\n",
        ("vary.task.alpha.to = 0", "more"),
    ),
    "a range of one": (PATTERNS + "vary: {task.alpha: {from: 0, to: 1, count: 1}}\n", ("vary.task.alpha.count = 1",)),
    "a log range from 0": (
        PATTERNS + "vary: {task.beta: {from: 0, to: 1, count: 3, spacing: log}}\n",
        ("vary.task.beta.from = 0", "positive"),
    ),
    "a spacing that is none": (
        PATTERNS + "vary: {task.beta: {from: 1, to: 2, count: 3, spacing: lin}}\n",
        ("vary.task.beta.spacing = 'lin'", "'linear' or 'log'"),
    ),
    "an end in quotes": (
        PATTERNS + "vary: {task.beta: {from: '1', to: 2, count: 3}}\n",
        ("vary.task.beta.from = '1'",),
    ),
    "an unknown key of a range": (
        PATTERNS + "vary: {task.beta: {from: 1, to: 2, cout: 3}}\n",
        ("vary.task.beta.cout = 3", "did you mean count?"),
    ),
    "parts of a whole number": (
        PATTERNS + "vary: {task.length: {from: 5, to: 10, count: 4}}\n",
        ("vary.task.length = 5, 6.66667, 8.33333, 10", "whole numbers", "add integer: true"),
    ),
    "parts of a whole number that are drawn": (
        PATTERNS + "design: {kind: random, samples: 4}\nvary: {model.width: {from: 5, to: 10}}\n",
        ("vary.model.width = any numbers from 5 to 10", "add integer: true"),
    ),
    "parts of a whole number together": (
        PATTERNS + "together: [{task.alpha: [0.1, 0.2, 0.3], task.shift.M1: {from: 1, to: 2, count: 3}}]\n",
        ("together[0].task.shift.M1 = 1, 1.5, 2", "add integer: true"),
    ),
    "parts of a whole number in a test": (
        PATTERNS + "tests: {a: {vary: {length: {from: 5, to: 10, count: 4}}}}\n",
        ("tests.a.vary.length = 5, 6.66667, 8.33333, 10", "add integer: true"),
    ),
    "a wrong value together": (
        PATTERNS + "together: [{task.alpha: [0.2, 3], task.K: [0.1, 0.2]}]\n",
        ("together[0].task.alpha = 3", "(at task.alpha = 3, task.K = 0.2)"),
    ),
    "an unknown setting together": (
        PATTERNS + "together: [{task.alhpa: [0.2], task.K: [0.1]}]\n",
        ("together[0].task.alhpa = 0.2", "did you mean alpha?"),
    ),
    "a list together": (PATTERNS + "together: [[1]]\n", ("together[0] = [1]", "settings by name")),
    "a comma too many": (PATTERNS + "vary: {'task.alpha,': [1]}\n", ("vary.task.alpha, = [1]", "names of settings")),
    "a dot too many": (PATTERNS + "vary: {task..alpha: [1]}\n", ("vary.task..alpha = [1]", "names of settings")),
    "hundreds of settings": (
        PATTERNS + "vary:\n" + "".join(f"  task.a{number}: [1]\n" for number in range(300)),
        ("vary.task.a0 = 1", "alpha"),
    ),
    "fewer integers than asked": (
        PATTERNS + "vary: {task.length: {from: 1, to: 4, count: 9, integer: true}}\n",
        ("vary.task.length.count = 9", "at most 4"),
    ),
    "integers that fall together": (
        PATTERNS + "vary: {task.length: {from: 1, to: 99, count: 40, spacing: log, integer: true}}\n",
        ("vary.task.length.count = 40", "fewer"),
    ),
    # designs, seeds, counts
    "10^9 trials": (
        PATTERNS
        + "seeds: 1\nvary:\n"
        + "".join(f"  task.{name}: {{from: 0.1, to: 0.9, count: 1000}}\n" for name in ("alpha", "beta", "K")),
        ("number of trials = 1,000,000,000", "1,000 × 1,000 × 1,000 points", "at most 1,000,000"),
    ),
    "10^9 samples": (
        PATTERNS + "seeds: 1\ndesign: {kind: random, samples: 1000000000}\nvary: {task.alpha: {from: 0, to: 1}}\n",
        ("number of trials = 1,000,000,000", "at most 1,000,000"),
    ),
    "10^88 trials": (
        PATTERNS
        + f"seeds: {10**17}\nvary:\n"
        + "".join(f"  task.{name}: {{from: 1, to: 2, count: {10**17}}}\n" for name in ("beta", "K", "q_norm"))
        + f"  training.learning_rate: {{from: 1, to: 2, count: {10**17}}}\n",
        ("number of trials = about 10^8", "at most 1,000,000"),
    ),
    "10^12 seeds": (PATTERNS + "seeds: 1000000000000\n", ("number of trials = 1,000,000,000,000",)),
    "no seeds": (PATTERNS + "seeds: 0\n", ("seeds = 0", "at least 1")),
    "an empty list of seeds": (PATTERNS + "seeds: []\n", ("seeds = []", "at least one")),
    "a seed twice": (PATTERNS + "seeds: [1, 2, 1]\n", ("seeds = [1, 2, 1]", "once")),
    "a negative seed": (PATTERNS + "seeds: [-1]\n", ("seeds = -1", "0 to 2⁶³")),
    "seeds in quotes": (PATTERNS + "seeds: '3'\n", ("seeds = '3'", "whole number")),
    "an unknown design": (PATTERNS + "design: sobel\n", ("design = 'sobel'", "did you mean sobol?")),
    "a design without samples": (PATTERNS + "design: random\n", ("design = 'random'", "samples")),
    "a Sobol design that is unbalanced": (
        PATTERNS + "design: {kind: sobol, samples: 100}\nvary: {task.alpha: {from: 0, to: 1}}\n",
        ("design.samples = 100", "64 or 128"),
    ),
    "samples in quotes": (
        PATTERNS + "design: {kind: random, samples: '9'}\n",
        ("design.samples = '9'", "whole number"),
    ),
    "an unknown key of a design": (
        PATTERNS + "design: {kind: random, samples: 9, sed: 1}\n",
        ("design.sed = 1", "did you mean seed?"),
    ),
    "samples of a grid": (PATTERNS + "design: {kind: grid, samples: 9}\n", ("design.samples = 9", "kind")),
    "a drawn design of nothing": (PATTERNS + "design: {kind: random, samples: 9}\n", ("number of axes = 0",)),
    # names and tests
    "a name with a slash": (PATTERNS + "name: a/b\n", ("name = 'a/b'", "letters, digits")),
    "a name that climbs": (PATTERNS + "name: ..\n", ("name = '..'", "letters, digits")),
    "a name with a line break": (PATTERNS + 'name: "a\\nb"\n', ("name = 'a\\nb'", "letters, digits")),
    "a name with NUL": (PATTERNS + 'name: "a\\0b"\n', ("name = 'a\\x00b'", "letters, digits")),
    "a name that is hidden": (PATTERNS + "name: .a\n", ("name = '.a'", "letters, digits")),
    "a name that is an option": (PATTERNS + "name: -rf\n", ("name = '-rf'", "letters, digits")),
    "a name with two dots": (PATTERNS + "name: a..b\n", ("name = 'a..b'", "single dots")),
    "an empty name": (PATTERNS + "name: ''\n", ("name = ''", "letters, digits")),
    "a name that is a number": (PATTERNS + "name: 3\n", ("name = 3", "a text")),
    "a name that is long": (PATTERNS + f"name: {'a' * 101}\n", ("name = 'aaa", "up to 100")),
    "a test's name with a slash": (PATTERNS + "tests: {../x: {}}\n", ("name of a test = '../x'", "letters, digits")),
    "a test's name with a line break": (PATTERNS + 'tests: {"a\\nb": {}}\n', ("a key of tests = 'a\\nb'", "printable")),
    "a test's name that is long": (
        PATTERNS + f"tests: {{{'a' * 101}: {{}}}}\n",
        ("name of a test = 'aaa", "up to 100"),
    ),
    "a key that is endless": (f"{'a' * 100_000}: 1\n", ("not YAML",)),
    "a record's name with a slash": (
        PATTERNS + "base: {evaluation: {on: {a/b: {}}}}\n",
        ("name in base.evaluation.on = 'a/b'", "letters, digits"),
    ),
    "a test without examples": (
        PATTERNS + "tests: {a: {task: {length: 0}}}\n",
        ("tests.a.task.length = 0", "at least 1: without an example"),
    ),
    "one of several tests without examples": (
        PATTERNS + "tests: {a: {vary: {length: [0, 5]}}}\n",
        ("tests.a.vary.length = 0", "at least 1: without an example"),
    ),
    "no tests": (PATTERNS + "tests: {}\n", ("tests = {}", "at least one test")),
    "tests as a list": (PATTERNS + "tests: [unseen]\n", ("tests = ['unseen']", "by name")),
    "an unknown key of a test": (PATTERNS + "tests: {a: {taks: {}}}\n", ("tests.a.taks", "did you mean task?")),
    "an unknown setting of a test": (
        PATTERNS + "tests: {a: {task: {alhpa: 0.1}}}\n",
        ("tests.a.task.alhpa = 0.1", "did you mean alpha?"),
    ),
    "an unknown varied setting of a test": (
        PATTERNS + "tests: {a: {vary: {alhpa: [0.1]}}}\n",
        ("tests.a.vary.alhpa = 0.1", "did you mean alpha?"),
    ),
    "a test's number in quotes": (
        PATTERNS + "tests: {a: {task: {alpha: '0.1'}}}\n",
        ("tests.a.task.alpha = '0.1'", "0.1"),
    ),
    "one prompt": (PATTERNS + "tests: {a: {prompts: 1}}\n", ("tests.a.prompts = 1",)),
    "prompts without end": (PATTERNS + "tests: {a: {prompts: 10000000}}\n", ("tests.a.prompts = 10000000",)),
    "a test of other patterns": (
        PATTERNS + "tests: {a: {task: {M1: 5}}}\n",
        ("tests.a.task: (M1, M2) = (5, 24)", "(6, 24)"),
    ),
    "a test that the model cannot read": (
        "paper: garg2022\ntests: {a: {task: {length: 11}}}\n",
        ("tests.a.task.length = 11", "at most 10"),
    ),
    "a test of what training averages": (
        "paper: huang2024\ntests: {a: {task: {expectation: exact, K: 2}}}\n",
        ("tests.a.task.expectation = 'exact'", "sampled"),
    ),
    "a test at sizes that overflow": (
        "paper: garg2022\ntests: {a: {task: {x_scale: 1.0e+20}}}\n",
        ("tests.a.task.x_scale = 1e+20", "1e+15"),
    ),
    "too many tests": (
        PATTERNS + "tests: {a: {vary: {alpha: {from: 0, to: 1, count: 1001}}}}\n",
        ("number of tests = 1001", "1 to 1,000"),
    ),
    # files
    "a file that extends nothing": (
        PATTERNS + "extends: nothing.yaml\n",
        ("extends = 'nothing.yaml'", "a file that exists"),
    ),
    "a file that extends itself": (PATTERNS + "extends: bad.yaml\n", ("extends = 'bad.yaml'", "already")),
    "a file that extends a folder": (PATTERNS + "extends: .\n", ("extends = '.'", "a file that exists")),
    "a file that extends one of the system": (
        PATTERNS + "extends: /etc/hosts\n",
        ("extends = '/etc/hosts'", "relative"),
    ),
    "a file that extends a device": (
        PATTERNS + f"extends: {'../' * 40}dev/zero\n",
        ("extends = ", "a file that exists"),
    ),
    "a file that extends NUL": (PATTERNS + 'extends: "a\\0"\n', ("extends = 'a\\x00'", "the name of a file")),
    "a file that extends two": (
        PATTERNS + "extends: [a.yaml, b.yaml]\n",
        ("extends = ['a.yaml'", "the name of a file"),
    ),
    "a file that extends a number": (PATTERNS + "extends: 3\n", ("extends = 3", "the name of a file")),
}
