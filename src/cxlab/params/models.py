"""What a params file may say. Field descriptions become the editor's completion texts through the JSON schema."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, PrivateAttr, model_validator
from pydantic import Field as F

from cxlab.params.fields import Code, Id, Ids, Label, Names, Scalar, Strict, Text, as_list, as_text, texts
from cxlab.vocab import Grain, Language, Missing, Role


class Field(Strict):
    """Where a value comes from. ``name`` alone means one column; ``[a, b]`` means both joined into one key.

    Exactly one of `column`, `parts`, `const`, `from_` and `expr` is given. Of several names under `column` exactly
    one may exist in a file: none means it was never asked there, two are an error.
    """

    column: Names | None = F(None, description="column name, or alternatives of which exactly one may exist per file")
    parts: list[Text] | None = F(None, description="columns joined by '-' into one key")
    const: Scalar | None = F(None, description="the same value for every row")
    from_: Literal["wave", "file"] | None = F(None, alias="from", description="take the wave of the file, or its name")
    expr: Text | None = F(None, description="a DuckDB expression over the input's columns")
    prefix: Literal["wave", "source", "file"] | None = F(None, description="put this and '-' before the value")
    if_absent: Literal["null", "unweighted", "error"] | None = F(
        None, description="what to do when the file has no such column"
    )
    map: dict[Code, Scalar] | None = F(None, description="codes to labels; values not listed stay as they are")
    missing: dict[Code, Missing] | None = F(None, description="codes that mean missing, and which kind")
    format: Names | None = F(
        None, description="date format (strptime), or several: the first that fits is taken; ISO dates need none"
    )
    factor: float | None = F(None, description="multiply numbers by this (units, cents to euros)")

    @model_validator(mode="after")
    def _one_origin(self) -> Field:
        origins = self.model_fields_set & {"column", "parts", "const", "from_", "expr"}
        if sum(getattr(self, name) is not None for name in origins) != 1:
            raise ValueError("give exactly one of column, parts, const, from, expr")
        return self


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return {"column": [value]}
    if isinstance(value, list):
        return {"parts": value}
    return value


FieldLike = Annotated[Field, BeforeValidator(_field, json_schema_input_type=str | list[str] | Field)]


class Brand(Strict):
    id: Id = F(description="safe id used in paths and on the command line")
    label: Label = F(description="name on pages; text, or {en: .., zh: ..}")
    where: dict[Text, Names] = F(
        default_factory=dict, description="rows of this brand: column -> values (codes or names)"
    )
    competitor: bool = F(False, description="a competitor: compared, never a unit of its own")


def _label(value: Any) -> Any:
    return {"id": value, "label": str(value)} if isinstance(value, str | int) else value


PeriodLabel = Annotated[Text, BeforeValidator(as_text, json_schema_input_type=str | int)]


class Periods(Strict):
    grain: Grain
    first: PeriodLabel = F(description="first period reported, e.g. 2017, 2017H1, 2017Q1, 2017-03, 2017W05, 2017-03-14")
    last: PeriodLabel = F(description="last period reported")
    history_from: PeriodLabel | None = F(None, description="earliest period the models may use; default: first")


class Scale(Strict):
    codes: list[int] = F(description="legal codes, from worst to best (2 to 11 of them)", min_length=2, max_length=11)
    satisfied_from: int | None = F(None, description="csat counts codes from this one up (in the order of `codes`)")
    missing: dict[Code, Missing] = F(
        default_factory=dict, description="codes that are no scores, and which kind of missing"
    )
    labels: dict[int, Label] = F(default_factory=dict, description="texts of codes for pages")
    map: dict[Code, int] = F(default_factory=dict, description="texts in the file -> codes, e.g. {Very good: 5}")

    @model_validator(mode="after")
    def _consistent(self) -> Scale:
        if len(set(self.codes)) != len(self.codes):
            raise ValueError("a code is listed twice")
        if self.satisfied_from is not None and self.satisfied_from not in self.codes:
            raise ValueError(f"satisfied_from must be one of {self.codes}")
        both = [c for c in self.codes if c in self.missing or str(c) in self.missing]
        if both:
            raise ValueError(f"code {both[0]} is both a score and missing")
        return self


class Item(Strict):
    column: Names = F(description="column, or its names over the waves")
    scale: Id
    role: Role = F(description="what the item measures")
    touchpoint: Id | None = None
    label: Label | None = None
    map: dict[Code, int] | None = F(None, description="texts -> codes, over the scale's own map")


class Input(Strict):
    """One or many files of the same shape, or a database table."""

    path: Names | None = F(None, description="file, glob or list, below data_root; {wave} is replaced by each wave")
    waves: Ids | None = F(None, description="the values of {wave}, one file each")
    key: Names | None = F(None, description="columns that identify a row: later duplicates are rejected")
    format: Literal["csv", "parquet", "excel", "spss", "jsonl"] | None = F(
        None, description="default: by the file's ending"
    )
    encoding: Text = F("utf-8", description="CSV and JSON lines: utf-8, gb18030, latin-1, ...")
    delimiter: Text | None = F(None, description="CSV: default is found from the file")
    decimal: Literal[".", ","] = "."
    sheet: Text | None = F(None, description="Excel: default is the first")
    skip_lines: int = F(0, ge=0, le=100, description="lines above the header: a title, a remark")
    header_lines: int = F(1, ge=1, le=5, description="lines of the header; those after the first are no answers")
    database: Text | None = F(None, description="database address or file; ${VAR} is read from the environment")
    table: Text | None = F(None, description="table in the database")

    @model_validator(mode="after")
    def _file_or_table(self) -> Input:
        if (self.path is None) == (self.database is None):
            raise ValueError("give either path (files) or database and table")
        if (self.database is None) != (self.table is None):
            raise ValueError("database and table go together")
        if self.path and any("{wave}" in p for p in self.path) and not self.waves:
            raise ValueError("a path with {wave} needs waves")
        return self


def _pairs(value: Any) -> Any:
    value = texts(value) if isinstance(value, str | int | list) else value
    return {x: x for x in value if isinstance(x, str)} if isinstance(value, list) else value


Pairs = Annotated[dict[Text, Text], BeforeValidator(_pairs, json_schema_input_type=str | list[str] | dict[str, str])]


class Lookup(Strict):
    """A left join that adds columns to an input; its match rate is printed."""

    from_: Id = F(alias="from", description="input that gets the columns")
    to: Id = F(description="input they come from")
    on: Pairs = F(description="key column, list of them, or {from column: to column}")
    take: Pairs = F(description="columns to take: list, or {new name: column}")
    one: Text | None = F(
        None, description="which row if several match: 'max price', 'min date', 'first'; default: an error"
    )
    after: Ids = F(default_factory=list, description="lookups that must run before")


class _Keys(Strict):
    """Keys that tie a row to a customer, a brand, a time and a place."""

    customer: FieldLike | None = F(None, description="identity: resolved to one customer by the directory")
    system: Text | None = F(None, description="name of the id system the customer key belongs to; default: `id`")
    keys: dict[Id, FieldLike] = F(
        default_factory=dict, description="more identity keys: {email: col, phone: col, member: col}"
    )
    brand: FieldLike | None = F(None, description="brand id; default: the brands' `where`, or the only brand")
    date: FieldLike | None = None
    period: FieldLike | None = F(None, description="period label; default: from date")
    touchpoint: FieldLike | None = None
    channel: FieldLike | None = None
    link: FieldLike | None = F(None, description="operational key (order, case) that ties X to O")
    where: dict[Text, Names] = F(
        default_factory=dict, description="keep only rows with these values (others: out of scope)"
    )
    exclude: dict[Text, Names] = F(default_factory=dict, description="drop rows with these values (out of scope)")


class _Mapped(_Keys):
    """Keys every canonical table shares."""

    from_: Id | None = F(None, alias="from", description="input the rows come from")


class CustomersMap(_Mapped):
    one_per: Text | None = F(None, description="column of which each value is one customer (first row wins)")
    since: FieldLike | None = None
    referred_by: FieldLike | None = F(
        None, description="who brought them: a key of the same id system as `customer`; resolved as that one is"
    )
    segments: dict[Id, FieldLike] = F(default_factory=dict)


class TransactionsMap(_Mapped):
    transaction_id: FieldLike | None = None
    amount: FieldLike | None = None
    margin: FieldLike | None = None
    kind: FieldLike | None = F(None, description="purchase (default), return, renewal, booking, churn")
    product: FieldLike | None = None
    seller: FieldLike | None = None
    group: FieldLike | None = F(None, description="order or basket the row belongs to")


class InteractionsMap(_Mapped):
    interaction_id: FieldLike | None = None
    kind: FieldLike | None = None
    outcome: dict[Id, Text] = F(default_factory=dict, description="name -> DuckDB expression that is true or false")


class EventsMap(_Mapped):
    event_id: FieldLike | None = None
    date_end: FieldLike | None = None
    kind: FieldLike | None = None
    name: FieldLike | None = None
    value: FieldLike | None = None


class ResponsesMap(_Mapped):
    response_id: FieldLike | None = F(None, description="unique id; default: source and line")
    solicited: bool = F(True, description="asked for (survey) or given unasked (review)")
    first_party: bool = F(True, description="collected by the company itself (not a panel or platform)")
    weight: FieldLike | None = None
    variant: FieldLike | None = None
    cluster: FieldLike | None = F(
        None, description="what answers are given together in: flight, store and day, interviewer"
    )
    segments: dict[Id, FieldLike] = F(default_factory=dict)


class RatingsMap(Strict):
    """Wide: `items` name one column each. Long: `item` and `value` columns, `items` describe the item values."""

    from_: Id | None = F(None, alias="from")
    shape: Literal["wide", "long"] = "wide"
    response_id: FieldLike | None = F(None, description="default: the responses of the same input")
    items: dict[Id, Item] = F(default_factory=dict)
    item: FieldLike | None = F(None, description="long: column that names the item")
    value: FieldLike | None = F(None, description="long: column with the code")


class CommentsMap(_Mapped):
    comment_id: FieldLike | None = None
    response_id: FieldLike | None = None
    text: Names = F(description="columns joined with a line break; a wave may lack some of them")
    conversation: FieldLike | None = F(None, description="chats and tickets: id of the conversation a row is a turn of")
    turn: FieldLike | None = F(None, description="place in the conversation; default: in the order of the rows")
    speaker: FieldLike | None = F(
        None,
        description="customer (default) or agent; agents are no customers' voice: {column: role, map: {rep: agent}}",
    )
    rating: FieldLike | None = None
    language: FieldLike | Literal["en", "zh", "auto"] | Annotated[str, F(pattern="^[a-z]{2}$")] = "auto"
    solicited: bool | None = F(None, description="default: as the responses of the same input, else false")
    first_party: bool | None = None


class InvitationsMap(_Mapped):
    invitation_id: FieldLike | None = None
    answered: FieldLike | None = F(None, description="default: true where response_id is found among the responses")
    response_id: FieldLike | None = None
    segments: dict[Id, FieldLike] = F(default_factory=dict)


class ActionsMap(_Mapped):
    action_id: FieldLike | None = None
    team: FieldLike | None = None
    owner: FieldLike | None = None
    kind: FieldLike | None = None
    outcome: FieldLike | None = None


def _one_or_many(schema: dict[str, Any]) -> None:
    """Let the JSON schema say that one mapping stands for a list of one."""
    for name, part in schema["properties"].items():
        schema["properties"][name] = {"anyOf": [part["items"], part]}


class Tables(Strict):
    """Canonical tables; each is one mapping or a list of them (several inputs fill one table)."""

    model_config = ConfigDict(json_schema_extra=_one_or_many)

    customers: list[CustomersMap] = F(default_factory=list)
    transactions: list[TransactionsMap] = F(default_factory=list)
    interactions: list[InteractionsMap] = F(default_factory=list)
    events: list[EventsMap] = F(default_factory=list)
    responses: list[ResponsesMap] = F(default_factory=list)
    ratings: list[RatingsMap] = F(default_factory=list)
    comments: list[CommentsMap] = F(default_factory=list)
    invitations: list[InvitationsMap] = F(default_factory=list)
    actions: list[ActionsMap] = F(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return {k: v if isinstance(v, list) else [v] for k, v in value.items()} if isinstance(value, dict) else value


XTable = Literal["responses", "ratings", "comments"]
_XTables = Annotated[list[XTable], BeforeValidator(as_list, json_schema_input_type=XTable | list[XTable])]


class Source(Input, _Keys):
    """Shorthand for one input and the X tables it fills; the loader turns it into `inputs` and `tables`."""

    to: _XTables = F(min_length=1)
    shape: Literal["wide", "long"] = "wide"
    response_id: FieldLike | None = None
    variant: FieldLike | None = None
    cluster: FieldLike | None = F(
        None, description="what answers are given together in: flight, store and day, interviewer"
    )
    weight: FieldLike | None = None
    solicited: bool = True
    first_party: bool = True
    segments: dict[Id, FieldLike] = F(default_factory=dict)
    items: dict[Id, Item] = F(default_factory=dict)
    item: FieldLike | None = None
    value: FieldLike | None = None
    text: Names | None = None
    rating: FieldLike | None = None
    language: FieldLike | Literal["en", "zh", "auto"] | Annotated[str, F(pattern="^[a-z]{2}$")] = "auto"


class Unlinked(Strict):
    brand: Literal["reject", "keep"] = F("reject", description="rows whose brand is not found")
    customer: Literal["reject", "keep"] = F("keep", description="kept rows are anonymous")


class PracticalChange(Strict):
    """The smallest change worth acting on, in the metric's own unit (shares 0-1)."""

    mean: float = F(0.1, gt=0)
    top_box: float = F(0.03, gt=0, le=1)
    csat: float = F(0.03, gt=0, le=1)
    nps: float = F(5.0, gt=0, le=200)
    ces: float = F(0.1, gt=0)
    index: float = F(1.0, gt=0, le=100)


class Silent(Strict):
    """What is believed of those who did not answer: how much likelier the best mark is to answer than the worst."""

    mean: float = F(0.6, description="log odds; above 0: the satisfied answer more readily; 0: either way alike")
    sd: float = F(0.7, ge=0, description="how sure that is; 0: exactly so")


class Limits(Strict):
    min_n: int = F(30, ge=1, description="groups with fewer answers are suppressed")
    practical_change: PracticalChange = F(default_factory=PracticalChange)
    max_reject_share: float = F(0.05, ge=0, le=1, description="a source with more rejected rows stops the run")
    silent: Silent = F(default_factory=Silent)
    min_link_rate: float = F(0.0, ge=0, le=1, description="a lookup that matches fewer rows stops the run")


def _some(shares: dict[str, float]) -> dict[str, float]:
    if not sum(shares.values()) > 0:
        raise ValueError("give some group a share above 0 (shares or head counts: only their proportions matter)")
    return shares


class Headline(Strict):
    """The number of the index page and the brief."""

    item: Id | None = F(None, description="default: the first nps item, else the first overall item")
    metric: Literal["mean", "top_box", "csat", "nps", "ces"] | None = F(None, description="default: nps, else csat")


_Group = Annotated[Text, BeforeValidator(as_text, json_schema_input_type=str | int | float)]
Shares = Annotated[dict[_Group, Annotated[float, F(ge=0)]], F(min_length=1), AfterValidator(_some)]


class ModelSettings(Strict):
    draws: int = F(1000, ge=100, le=20_000, description="posterior draws per chain")
    tune: int = F(500, ge=100, le=20_000)
    chains: int = F(4, ge=2, le=16)
    seed: int = F(20_260_701, ge=0)
    groupings: Names | None = F(
        None,
        description="factors of the satisfaction model, e.g. [segment:age, touchpoint]; default: those that vary",
    )


class Stage(Strict):
    id: Id
    label: Label | None = None
    touchpoints: list[Id] = F(default_factory=list)


class Journey(Strict):
    stages: list[Stage] = F(default_factory=list)
    labels: dict[Id, Label] = F(default_factory=dict, description="names of touchpoints on pages")


class Latent(Strict):
    """Something that is not asked itself but shows in several questions, e.g. satisfaction."""

    items: Ids = F(default_factory=list, description="questions that measure it; without any the index cannot be made")
    label: Label | None = F(None, description="its name on pages")
    marker: Id | None = F(None, description="the question whose loading is 1; default: the one most like its fellows")
    reliability: float | None = F(
        None, gt=0, le=1, description="of a question that measures it alone: share that is no error; default: all of it"
    )


class Index(Strict):
    """The satisfaction index: latents, what measures them, what moves what. Presets: index/acsi, ecsi, free."""

    latents: dict[Id, Latent] = F(default_factory=dict, description="name -> its questions")
    paths: dict[Id, Ids] = F(default_factory=dict, description="latent -> the latents that move it")
    target: Id = F("satisfaction", description="the latent whose index leads")
    without: Ids = F(default_factory=list, description="latents of a preset that this client does not measure")
    path_sd: float = F(1.0, gt=0, description="prior sd of a path; larger leaves more to the data")
    follow_days: int = F(
        90, ge=1, le=1000, description="days after an answer in which spend and complaints are counted"
    )


class Drivers(Strict):
    """What the page on drivers looks at."""

    outcome: Text = F("auto", description="item, role or satisfied, repurchased, left, spend; default: the headline")
    attributes: Ids = F(default_factory=list, description="items that may drive it; default: those of role attribute")
    by: Text | None = F(None, description="period, channel, touchpoint or segment:<name> whose effects may differ")
    stated: dict[Id, Id] = F(
        default_factory=dict, description="attribute -> item that asks how important it is; such an item drives nothing"
    )


class TopicEntry(Strict):
    """A topic as the client calls it."""

    label: Label = F(description="its name on pages; text, or {en: .., zh: ..}")
    keywords: Names = F(
        min_length=1, description="words of every language: topics that one of them names are joined under the label"
    )
    seed: bool = F(False, description="look for this topic even where none is found by itself")


class TopicRules(Strict):
    """What analysts say about topics; the file named under `voice: topics`."""

    topics: list[TopicEntry] = F(default_factory=list, description="labels in the report's languages, with keywords")
    merge: list[Names] = F(default_factory=list, description="lists of topics that are one, by id or keyword")
    split: dict[Text, Annotated[int, F(ge=2, le=20)]] = F(
        default_factory=dict, description="topic (id or keyword) -> into how many parts"
    )
    ban: Names = F(default_factory=list, description="words that name no topic, and ids of topics to leave out")
    name: dict[Text, Label] = F(default_factory=dict, description="topic (id or keyword) -> its label")


def _rules(value: Any) -> Any:
    if isinstance(value, str):  # a file beside a params file was put in its place before
        raise ValueError("a file of topics is named in a params file; here write its content")
    return value


class Voice(Strict):
    """How topics of comments are found."""

    embedding: Text = F(
        "auto",
        description="vectors: auto, corpus, sentence-transformers:<name>, file:<path> (voice/embedding)",
    )
    topics: Annotated[TopicRules | None, BeforeValidator(_rules, json_schema_input_type=str | TopicRules | None)] = F(
        None,
        description="names, merges, splits, bans, seeds of topics: a YAML file beside this one, or written here",
    )
    k: Literal["auto"] | Annotated[int, F(ge=1, le=200)] = F(
        "auto", description="number of topics; auto: as many as are found again and have enough to say"
    )
    unit: Literal["clause", "sentence", "comment"] = F("clause", description="what has one topic")
    refits: int = F(5, ge=2, le=50, description="repeated fits that measure how stable topics are")


class Value(Strict):
    """What customers are worth: horizon, money, and who is called what on the page on value."""

    model: Literal["auto", "bgnbd", "mbgnbd", "pareto"] = F(
        "auto", description="model of buying; auto: the one that foretold past weeks best. Contracts are recognised"
    )
    calibration_end: date | None = F(
        None,
        description="last day that the forecast tried on the past may know; default: a year, at most half, back",
    )
    horizon_years: float = F(3.0, gt=0, le=30, description="years ahead that count")
    discount: float = F(0.1, ge=0, le=1, description="discount rate a year")
    margin: float | None = F(
        None, gt=0, le=1, description="share of spend that is contribution; default: as in the transactions, else 1"
    )
    currency: Text | None = F(None, description="of all amounts, as it is written on pages")
    covariates: Names = F(
        default_factory=list,
        description="segment:<name> and event:<name> that buying may go with, kept if they foretell better; or auto",
    )
    contact_cost: float | None = F(
        None, ge=0, description="what contacting one customer once costs; without it the page says what it may cost"
    )
    contact_lift: float | None = F(
        None, gt=0, le=1, description="share by which a contact raises what a customer is worth; to be known or assumed"
    )
    contact_winback: float | None = F(
        None, ge=0, le=1, description="probability that a contact brings back a customer who had left; default: none"
    )
    referral_share: float = F(
        0.5, ge=0, le=1, description="assumed share of referred customers who would not have come otherwise"
    )
    alive: tuple[float, float] = F(
        (0.3, 0.8), description="probability of being a customer still: lapsed below the first, active from the second"
    )
    value_quantiles: tuple[float, float] = F(
        (0.5, 0.8), description="middle value begins at the first, high value at the second quantile of yearly spend"
    )
    service: Ids = F(default_factory=list, description="touchpoints that are service; default: contacts and complaints")
    practical_change: float = F(0.05, gt=0, le=1, description="smallest relative change of customer equity that counts")

    @model_validator(mode="after")
    def _rising(self) -> Value:
        for name in ("alive", "value_quantiles"):
            low, high = getattr(self, name)
            if not 0 < low < high < 1:
                raise ValueError(f"{name} must be two shares between 0 and 1, the smaller one first")
        return self


class Directory(Strict):
    """How identities of several systems become one customer: rows that share an exact key are one person."""

    keys: list[Id] = F(
        default_factory=lambda: ["id", "member", "email", "phone", "openid", "card"], description="keys that merge"
    )
    max_cluster: int = F(
        20, ge=2, description="a key shared by more records than this is no identity (info@, front desk)"
    )


def _touchpoints() -> list[Literal["touchpoint", "channel"]]:
    return ["touchpoint"]


class AlertRule(Strict):
    """A limit that people set: an alarm as soon as it is clear that the level is beyond it."""

    item: Id = F(description="question; nps items in points, others in per cent satisfied")
    below: float | None = F(None, ge=-100, le=100, description="alarm when the level is below this")
    above: float | None = F(None, ge=-100, le=100, description="alarm when the level is above this")
    brand: Id | None = F(None, description="only this brand; default: each")

    @model_validator(mode="after")
    def _one_side(self) -> AlertRule:
        if (self.below is None) == (self.above is None):
            raise ValueError("give either below or above")
        return self


class Alerts(Strict):
    """What `cxlab alerts` watches, and how seldom it may cry wolf."""

    horizon: int = F(52, ge=4, le=520, description="weeks within which the rate holds")
    rate: float = F(0.05, gt=0, lt=0.5, description="P(false alarm of a stream within the horizon)")
    baseline: int = F(104, ge=12, le=520, description="most weeks before that are taken as normal")
    by: list[Literal["touchpoint", "channel"]] = F(
        default_factory=_touchpoints, description="what is watched beside each brand as a whole"
    )
    rules: dict[Id, AlertRule] = F(default_factory=dict, description="name -> a limit, e.g. {item: nps, below: 30}")


def _english() -> list[Language]:
    return ["en"]


class Places(dict[tuple[str | int, ...], tuple[str, int]]):
    """Path of keys -> (file, line). Where something is written never makes two params differ."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places)


class Params(Strict):
    """Everything about one client."""

    extends: Names = F(default_factory=list, description="presets or files this one builds on")
    client: Id = F(description="id of the client: folders are named after it")
    label: Label | None = F(None, description="the client's name on pages; default: client")
    languages: list[Language] = F(
        default_factory=_english, min_length=1, description="of the report; the first is at its root"
    )
    profile: Literal["customer", "product", "employee", "brand"] = F(
        "customer", description="kind of experience; implies the preset profile/<name>"
    )
    industry: Text | None = F(None, description="implies the preset industry/<name>: journey, names of touchpoints")
    data_root: Text = F(
        ".", description="folder of the data; ${VAR} is read from the environment; relative to the params file"
    )
    brands: list[Annotated[Brand, BeforeValidator(_label, json_schema_input_type=str | int | Brand)]] = F(
        min_length=1, description="who is reported on: one report per brand and period"
    )
    periods: Periods = F(description="grain and range of what is reported")
    scales: dict[Id, Scale] = F(
        default_factory=dict, description="codes of answers from worst to best; what other codes mean"
    )
    inputs: dict[Id, Input] = F(default_factory=dict, description="files and database tables")
    lookups: dict[Id, Lookup] = F(default_factory=dict, description="left joins that add columns to an input")
    tables: Tables = F(default_factory=Tables, description="which canonical tables the inputs fill, and how")
    sources: dict[Id, Source] = F(
        default_factory=dict, description="shorthand: files of answers with the tables they fill"
    )
    directory: Directory = F(
        default_factory=Directory, description="how identities of several systems become one customer"
    )
    unlinked: Unlinked = F(default_factory=Unlinked, description="what happens to rows without brand or customer")
    first_party_only: bool = F(False, description="report on the company's own data alone")
    mask_personal_data: bool = F(True, description="mask personal data in texts before anything is stored")
    segment_labels: dict[Id, Label] = F(default_factory=dict, description="names of segments on pages")
    item_labels: dict[Id, Label] = F(default_factory=dict, description="names of items on pages")
    group_labels: dict[Id, dict[Code, Label]] = F(
        default_factory=dict, description="segment, channel or outcome -> code -> name on pages"
    )
    journey: Journey = F(default_factory=Journey, description="stages and touchpoints in the order customers meet them")
    index: Index | None = F(None, description="the satisfaction index; extend one of the presets index/*")
    drivers: Drivers = F(default_factory=Drivers, description="outcome and attributes of the page on drivers")
    voice: Voice = F(default_factory=Voice, description="vectors, number and names of topics of comments")
    value: Value = F(default_factory=Value, description="horizon, discount, margin and limits of the page on value")
    targets: dict[Id, dict[str, float]] = F(default_factory=dict, description="item or touchpoint -> {metric: target}")
    alerts: Alerts = F(default_factory=Alerts, description="what `cxlab alerts` watches, and its false-alarm rate")
    limits: Limits = F(
        default_factory=Limits, description="smallest groups, smallest changes worth acting on, rows that may be lost"
    )
    headline: Headline = F(default_factory=Headline, description="the number of the index page and the brief")
    population: dict[Text, Shares] = F(
        default_factory=dict,
        description="customer base: segment:<name>, touchpoint or channel -> {group: share}; default: as the directory",
    )
    model: ModelSettings = F(default_factory=ModelSettings, description="sampling and factors of the models")
    notebooks: list[Text] | None = F(None, description="ids to run; default: all of the profile")

    # Where each key stands; empty when rebuilt from JSON.
    _places: Places = PrivateAttr(default_factory=Places)
