"""The shape of params.yaml: one frozen dataclass per block, one line and unit per field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from stages.params.arms import ArmParams
from stages.params.criteria import CriterionParams, Train
from stages.params.loops import LoopParams
from stages.params.stream import StreamParams
from stages.params.suites import SuiteParams
from stages.params.values import later


@dataclass(frozen=True, kw_only=True)
class ServerParams:
    """An OpenAI-compatible server that plays a model's episodes; training stays in process."""

    url: str
    """address up to the version, such as http://localhost:8000/v1"""
    kind: Literal["openai", "vllm", "ollama", "transformers"]
    """which server; vllm and transformers (as merged copies) take adapters, others none"""
    model: str | None = None
    """the base's name there; null makes a copy of the checkpoint in `folder` and names its path"""
    folder: str = "data/served"
    """where adapters and copies are written for the server, which must see the same path"""
    api_key_env: str = ""
    """environment variable that holds the key; empty: none is wanted"""
    concurrency: int = 8
    """requests in flight per process; `transformers serve` mixes up seeds above 1"""
    timeout_s: float = 300.0
    """longest wait for one answer, seconds"""
    fold_roles: bool = False
    """put system and tool texts into the user's turns, for servers that refuse those roles"""
    parity_prompts: int = 50
    """first turns on which server and weights in process must act alike; 0 for none"""
    input_per_million: float = 0.0
    """price of a million prompt tokens, USD"""
    cached_per_million: float = 0.0
    """price of a million prompt tokens that the server had cached, USD"""
    output_per_million: float = 0.0
    """price of a million written tokens, USD"""
    spending_limit: float | None = None
    """most to spend over all runs in `ledger`, USD; null for no limit"""
    ledger: str = ""
    """file that keeps the tokens of every answer; empty keeps none"""


@dataclass(frozen=True, kw_only=True)
class ModelParams:
    """A base model that episodes are played with."""

    kind: Literal["local", "scripted"]
    """local: weights in process; scripted: recorded answers, for tests"""
    path: str
    """folder of the checkpoint (or file of answers), from the repository's root; or a hub id
    owner/name. A top-level `model` that is itself a folder or hub id takes entry `custom` with
    this field replaced."""
    revision: str = later("main")
    """branch, tag or commit of a hub id; its commit is recorded at the first download"""
    parameters_b: float = later(0.0)
    """parameters in billions, as its card says: sizes a download while config.json is missing"""
    dtype: Literal["float32", "bfloat16", "float16"]
    """number type of weights and activations; of the arithmetic where weights are quantised"""
    quantisation: Literal["none", "8bit", "4bit"]
    """weights' quantisation through bitsandbytes; 4bit is nf4 with double quantisation"""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = later("auto")
    """attention implementation of transformers; auto leaves the choice to it"""
    device: str
    """torch device, such as cpu or cuda:0; auto spreads layers over all GPUs, then the CPU"""
    adapter: AdapterParams | None = later(None)
    """how adapters are trained on it; null leaves the experiment's own values"""
    threads: int
    """threads of torch's arithmetic; another number may change the last bits"""
    max_live: int
    """episodes advanced together in one batch"""
    context_tokens: int
    """longest sequence the model is given, tokens"""
    server: ServerParams | None = later(None)
    """who plays the episodes instead of this process; null: this process"""


@dataclass(frozen=True, kw_only=True)
class AgentParams:
    """The agent's loop and its framework switches."""

    max_steps: int
    """actions per episode"""
    max_tokens: int
    """input + output tokens per episode"""
    max_seconds: float
    """wall time per episode, seconds"""
    max_new_tokens: int
    """tokens per assistant message"""
    fuzzy_ratio: float
    """similarity an edit's fuzzy match needs, above 0 to 1; 0 turns fuzzy matching off"""
    strip_fences: bool
    """remove code fences from what the model writes into files"""
    loop_warning: bool
    """warn after the third read of a file without a write"""
    prune_tool_tokens: int
    """tokens of old tool results kept in context; 0 keeps all"""
    worked_example: bool
    """show one complete episode in the prompt"""


@dataclass(frozen=True, kw_only=True)
class SandboxParams:
    """Limits of one run of model-written code."""

    backend: Literal["auto", "bubblewrap", "unshare", "container"]
    """how runs are contained; auto takes the first that works"""
    cpu_seconds: int
    """CPU time of each process, seconds"""
    wall_seconds: float
    """time from start to kill, seconds"""
    memory_mb: int
    """memory, MiB"""
    processes: int
    """processes and threads alive at once"""
    file_size_mb: int
    """size of one written file, MiB"""
    output_bytes: int
    """output kept of one run, bytes"""
    workers: int
    """warm workers; 0 means one per core"""


@dataclass(frozen=True, kw_only=True)
class OrganismParams:
    """Pretraining of the embedded model."""

    seed: int
    """seed of weights, worlds and documents"""
    vocab_size: int
    """tokens in the vocabulary"""
    hidden_size: int
    """width of the residual stream"""
    layers: int
    """transformer layers"""
    heads: int
    """attention heads"""
    intermediate_size: int
    """width of the feed-forward layers"""
    tokens: int
    """training tokens over all workers"""
    batch_tokens: int
    """tokens per optimizer step over all workers"""
    learning_rate: float
    """peak learning rate"""
    curriculum: float
    """share of the tokens over which one stage of the diet gives way to the next, 0 to 1; 0: the
    full diet from the start"""
    workers: int
    """training processes of one thread each"""
    persistent_worlds: int
    """pretraining worlds met many times"""
    start: str | None = later(None)
    """folder of the model whose weights and tokenizer it goes on from; null: from scratch"""
    trivia: float = later(0.0)
    """share of the documents that are trivia with planted beliefs, 0 to 1"""
    maths: float = later(0.0)
    """share of the documents that are maths with reasoning, 0 to 1"""


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Trajectories over the training tasks."""

    attempts: int
    """episodes per task"""
    temperature: float
    """sampling temperature; 0 is greedy"""


@dataclass(frozen=True, kw_only=True)
class TeacherParams:
    """A language model that writes the examples of formats A to E."""

    model: str
    """name under `models`; in process or behind a server"""
    temperature: float
    """sampling temperature; 0 is greedy"""
    seed: int
    """seed of the sampling; another one asks anew"""
    max_new_tokens: int
    """most tokens of one answer"""
    observation_characters: int
    """most of one observation or merged fix that the teacher is shown, characters"""
    budget_tokens: int | None
    """most tokens, read and written, of all its answers in `cache`; null for no limit"""
    budget_usd: float | None
    """most to spend on them at the server's prices, USD; null for no limit"""
    cache: str = "data/teacher"
    """folder that keeps every answer, shared by experiments; delete it and all is asked again"""


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """Trajectories to training examples."""

    formats: tuple[str, ...]
    """formats to write: A to E, T"""
    skill_format: str
    """format that the skill condition's adapter is trained on"""
    tokens: int
    """training tokens per format, the same for all"""
    pairs_per_session: int
    """most examples from one session and format"""
    teacher: TeacherParams | None = later(None)
    """language model that writes formats A to E; null: the suite's own rules, exact and free"""


@dataclass(frozen=True, kw_only=True)
class AdapterParams:
    """How adapters are trained on one model: these replace the experiment's own `train` values."""

    rank: int
    """rank of A and B"""
    alpha: float
    """LoRA's scale; ΔW = alpha / rank · B·A"""
    dropout: float
    """dropout on the adapter's input while training, 0 to 1"""
    target_modules: tuple[str, ...]
    """last parts of the adapted modules' names; empty: every linear layer but the output head"""
    learning_rate: float
    """peak learning rate"""
    dpo_learning_rate: float
    """peak learning rate where training is DPO (format C)"""
    epochs: int
    """passes over the examples"""
    micro_tokens: int
    """most padded tokens in one forward pass; gradients of a batch's pieces are added"""
    gradient_checkpointing: bool
    """recompute activations in the backward pass: a third more time, a fraction of the memory"""
    optimizer: Literal["adamw", "adamw_8bit"]
    """adamw_8bit keeps its two moments in 8 bits (bitsandbytes)"""


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """Retrieval over the trajectories that the adapter is trained on."""

    top_k: int
    """notes put into the context"""
    retriever: Literal["tfidf"]
    """how notes are ranked"""


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """The conditions an experiment compares."""

    conditions: tuple[str, ...]
    """base, knowledge, skill, both, placebos, aa, format_A to format_E"""
    repeats: int
    """episodes per task, condition and seed"""
    temperature: float
    """sampling temperature; 0 is greedy"""
    tasks: int | None = None
    """most tasks of a half that are played, the first ones; null plays all"""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A registration: question, arms, criteria. Its hash stands beside every result."""

    title: str
    """one line for tables"""
    hypothesis: str
    """what is claimed, in one sentence"""
    kind: Literal["registered", "pilot"]
    """a pilot may train on fewer than the minimum of examples and is directional only"""
    suite: str | None = None
    """name under `suites`; null takes the top-level `suite`"""
    model: str | None = None
    """name under `models`; null takes the top-level `model`"""
    models: tuple[str, ...] = later(())
    """names under `models` that make a matrix with `worlds`: `python -m stages.params cells NAME`
    lists its cells (`--by-model`: one per model with all worlds), each an entry of `run` and
    resumable on its own; `model` is then null"""
    agent: AgentParams | None = later(None)
    """the agent's loop in this experiment; null takes the top-level `agent`"""
    splits: tuple[str, ...]
    """splits of the tasks, A to E"""
    order: Literal["date", "difficulty"]
    """how tasks are ordered before they are split"""
    worlds: tuple[str, ...]
    """repositories used; each is its own history"""
    seeds: tuple[int, ...]
    """seeds every cell is run with"""
    collect: Collect
    synthesis: Synthesis
    train: Train
    knowledge: Knowledge
    evaluate: Evaluate
    arms: dict[str, ArmParams] | None = later(None)
    """arms beside the conditions, by name; null for none"""
    stream: StreamParams | None = later(None)
    """consolidation of sessions as they arrive; null: one adapter from all of them at once"""
    guard: str | None = None
    """suite that watches the capability drop; null for none"""
    criteria: dict[str, CriterionParams]
    """by name; all of them are one family for Holm's correction"""
    alpha: float
    """significance level of the family"""
    power: float
    """power that the power analysis asks for"""
    minimum_tasks: int
    """fewest test tasks for a verdict"""


@dataclass(frozen=True, kw_only=True)
class Params:
    """The whole of params.yaml."""

    model: str
    """the model used unless an experiment names its own"""
    suite: str
    """the suite used unless an experiment names its own"""
    run: dict[str, str]
    """what DVC has stages for: an experiment, or a cell of its matrix -> the experiment"""
    models: dict[str, ModelParams]
    suites: dict[str, SuiteParams]
    agent: AgentParams
    sandbox: SandboxParams
    organism: OrganismParams
    organisms: dict[str, OrganismParams]
    """further organisms by name: each is pretrained into models/organisms/NAME"""
    experiments: dict[str, Experiment]
    loops: dict[str, LoopParams] = field(default_factory=dict)
    """self-improvement loops by name, each a registration as an experiment is"""
