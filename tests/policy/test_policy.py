"""Reinforcement learning as a whole: its gradient from the definition, for every partition, resumed, and refused."""

import math
import multiprocessing
import socket
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from lm.batch import PromptBatch
from lm.generation import Sampling
from lm.policy import (
    Generalized,
    GroupRelative,
    LeaveOneOut,
    Penalty,
    Whitened,
    cispo,
    clip,
    constant,
    k1,
    k2,
    ratio_k3,
    sequence_mean,
    sequence_mean_ratio,
    sequence_sum_ratio,
    unclipped,
)
from lm.reward import Answer, AnswerReward, ExactAnswer, RewardSum
from lm.training.trainer import silence_lightning
from support.policy_step import (
    GROUP,
    PROMPTS,
    Letters,
    gradient,
    network,
    plan,
    policy,
    save_gradients,
    tokenizer,
    train,
    with_head,
)

silence_lightning()
LOSS = Penalty(coefficient=0.3, in_reward=False, estimator=k2)
RATIO = Penalty(coefficient=0.3, in_reward=False, estimator=ratio_k3)
REWARD = Penalty(coefficient=0.3, in_reward=True, estimator=k1)
GSPO = {"ratio": sequence_mean_ratio, "aggregation": sequence_mean, "clipping": partial(clip, low=3e-4, high=4e-4)}
PARTS = {
    "default": {},
    "grpo": {"advantage": GroupRelative(divide_by_deviation=True), "aggregation": sequence_mean},
    "dr_grpo": {"aggregation": partial(constant, length=9)},
    "dapo": {"clipping": partial(clip, high=0.28), "mask_truncated": True},
    "rloo": {
        "advantage": LeaveOneOut(),
        "ratio": sequence_sum_ratio,
        "clipping": unclipped,
        "aggregation": sequence_mean,
    },
    "reinforce_pp": {"advantage": Whitened(), "group_size": 1},
    "gspo": GSPO,
    "cispo": {"clipping": cispo},
    "ppo": {"advantage": Generalized(), "group_size": 1},
    "sparse experts": {"sparse": True},
    "filtered": {"sampling": Sampling(temperature=0.8, top_k=40, top_p=0.97)},
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("name", PARTS)
def test_micro_batches_leave_rollouts_and_gradient_alone(name):
    whole = gradient(PROMPTS, **PARTS[name])
    assert 0.05 < whole["metric share/truncated"] < 0.97  # lengths are unequal, and some answers are cut
    assert max(float(value.abs().max()) for key, value in whole.items() if "metric" not in key) > 1e-4
    assert_equal(gradient(1, **PARTS[name]), whole)
    if name == "default":
        for rows in (2, 4):
            assert_equal(gradient(rows), whole)


def test_two_ranks_leave_rollouts_and_gradient_alone(tmp_path):
    cases = {name: PARTS[name] for name in ("default", "reinforce_pp", "dapo", "ppo")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lm.jobs.train"])
    ranks = [
        processes.Process(target=save_gradients, args=(tmp_path / "found", group | {"LOCAL_RANK": str(rank)}, 2, cases))
        for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0
    saved = [torch.load(tmp_path / f"found.{rank}", weights_only=True) for rank in range(2)]
    for name, parts in cases.items():
        found, other = (each[name] for each in saved)
        for metric in [key for key in found if "metric" in key]:  # each rank has its part
            found[metric] = found[metric] + other[metric]
        assert_equal(found, gradient(4, **parts))


def naive(model, batch, rewards, *, kl=None, reference=None) -> dict[str, torch.Tensor]:
    """The gradient of a step from the definition: one answer at a time, plain softmax, the mean over all tokens."""

    def log_probabilities(network, tokens, chosen):
        return network(tokens[None])[0, -len(chosen) :].log_softmax(-1).gather(1, chosen[:, None])[:, 0]

    answers = []
    for answer, number, supervised, reward in zip(
        batch.tokens, batch.prompt_of, batch.supervised, rewards, strict=True
    ):
        assert (reward is None) == (not supervised.any())
        if reward is not None:
            chosen = answer[supervised]
            row = torch.cat([batch.prompts[number, : batch.prompt_lengths[number]], chosen[:-1]])
            now = log_probabilities(model, row, chosen)
            past = None if reference is None else log_probabilities(reference, row, chosen).detach()
            answers.append((now, past, reward))
        else:
            answers.append(None)
    losses = []
    for start in range(0, len(answers), GROUP):
        group = [each for each in answers[start : start + GROUP] if each is not None]
        costs = [kl.coefficient * float((now - past).sum()) if kl and kl.in_reward else 0.0 for now, past, _ in group]
        worth = [reward - cost for (_, _, reward), cost in zip(group, costs, strict=True)]
        for (now, past, _), value in zip(group, worth, strict=True):
            losses.append(-(now - now.detach()).exp() * (value - sum(worth) / len(worth)))
            if kl is LOSS:
                losses[-1] = losses[-1] + kl.coefficient * (now - past).square() / 2
            if kl is RATIO:
                k3 = (past - now).exp() - (past - now) - 1
                losses[-1] = losses[-1] + kl.coefficient * (now - now.detach()).exp() * k3
    torch.cat(losses).mean().backward()
    return {name: value.grad for name, value in model.named_parameters()}


@pytest.mark.parametrize("kl", [None, LOSS, RATIO, REWARD], ids=["no penalty", "loss", "ratio", "reward"])
def test_the_gradient_is_the_one_of_the_definition_and_unscorable_answers_count_nowhere(kl):
    reward = Letters(unscorable=1)
    _, seen = train(
        policy(network(), reward=RewardSum({"letters": reward}), kl=kl, steps=3, rate=0.05), plan(PROMPTS, steps=3)
    )
    scores = [reward.scores[step * GROUP * PROMPTS :][: GROUP * PROMPTS] for step in range(3)]
    assert None in scores[1]
    model = network().eval()
    model.load_state_dict(seen.weights[1])
    expected = naive(model, seen.batches[1], scores[1], kl=kl, reference=network().eval())
    for name, before in seen.weights[1].items():
        found = (before - seen.weights[2][name]) / 0.05
        torch.testing.assert_close(found, expected[name], rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")
    ends = [
        targets[supervised][-1]
        for targets, supervised in zip(seen.batches[1].targets, seen.batches[1].supervised, strict=True)
        if supervised.any()
    ]
    assert tokenizer().end_of_turn in ends  # which is learned like any other token


def test_the_first_step_is_on_policy_so_no_ratio_is_clipped_and_kl_is_zero():
    found = gradient(2, kl=LOSS)
    assert found["metric clip_fraction"] == 0
    assert abs(found["metric kl"]) < 1e-15
    assert_equal({k: v for k, v in found.items() if k != "metric kl"}, gradient(2))


def test_a_reference_model_is_there_only_for_a_penalty_and_never_trains():
    assert policy(network())._reference == []
    module = policy(network(), kl=LOSS, steps=2)
    train(module, plan(4, steps=2))
    (reference,) = module._reference
    start = network()
    assert all(torch.equal(a, b) for a, b in zip(reference.parameters(), start.parameters(), strict=True))
    assert not any("_reference" in name for name in module.state_dict())


def test_several_steps_of_one_rollout_compare_with_the_weights_that_generated():
    parts = {"steps_per_rollout": 3, "steps": 7, "rate": 2.0}
    model = network()
    _, seen = train(policy(model, **parts), plan(PROMPTS, steps=7))
    assert all(batch.old is not None for batch in seen.batches)
    assert seen.metrics[0]["clip_fraction"] == 0 < seen.metrics[1]["clip_fraction"] + seen.metrics[2]["clip_fraction"]
    assert seen.metrics[3]["clip_fraction"] == 0 == seen.metrics[6]["clip_fraction"]  # a new rollout
    halves = network()
    train(policy(halves, **parts), plan(2, steps=7))
    for a, b in zip(model.parameters(), halves.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("per_rollout", "stop"), [(1, 3), (3, 3), (3, 4)], ids=["on-policy", "at an end", "within"])
def test_a_resumed_run_is_the_same_bit_for_bit(per_rollout, stop, tmp_path):
    parts = {"steps": 6, "rate": 1.0, "steps_per_rollout": per_rollout, "kl": LOSS, "patience": 9}
    whole, halves = network(), network()
    _, seen = train(policy(whole, **parts), plan(2, steps=6))
    trainer, _ = train(policy(halves, **parts), plan(2, steps=6), stop=stop)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    saved = torch.load(tmp_path / "half.ckpt", weights_only=True)["policy"]
    assert len(saved["rollouts"]) == (PROMPTS * 2 if stop % per_rollout else 0)
    fresh = network()
    train(policy(fresh, **parts), plan(4, steps=6), resumed=tmp_path / "half.ckpt")
    assert all(
        torch.allclose(a, b, rtol=0, atol=1e-10) for a, b in zip(whole.parameters(), fresh.parameters(), strict=True)
    )
    fresh = network()
    _, again = train(policy(fresh, **parts), plan(2, steps=6), resumed=tmp_path / "half.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), fresh.parameters(), strict=True))
    assert again.metrics == seen.metrics[stop:]


def test_the_value_head_learns_the_mean_reward_and_is_needed():
    with pytest.raises(ValueError, match=r"needs the values of a value head: set model/head=scalar"):
        policy(network(), advantage=Generalized())
    reward = RewardSum({"three": Three()})
    module = policy(
        with_head(network()),
        reward=reward,
        advantage=Generalized(),
        group_size=1,
        rate=0.02,
        steps=12,
        value_weight=1.0,
        value_clip=None,
        patience=None,
    )
    _, seen = train(module, plan(PROMPTS, steps=12))
    losses = [metrics["value_loss"] for metrics in seen.metrics]
    assert losses[-1] < 0.5 * losses[0]
    assert seen.batches[0].old is None
    assert seen.batches[0].values is not None


def test_repeated_prompts_of_a_step_get_answers_of_their_own():
    _, seen = train(policy(network()), plan(PROMPTS), count=1)
    (batch,) = seen.batches
    assert len({tuple(row.tolist()) for row in batch.tokens}) > PROMPTS


class Never(AnswerReward):
    def score(self, answer: Answer) -> float | None:
        return 0.0


class Broken(AnswerReward):
    def __init__(self, value: float):
        self.value = value

    def score(self, answer: Answer) -> float | None:
        return self.value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_not_finite_names_the_reward_and_the_prompt(value):
    module = policy(network(), reward=RewardSum({"letters": Letters(), "broken": Broken(value)}))
    with pytest.raises(ValueError, match=rf"reward broken returns {value} for the answer to question 0 \(.*\): return"):
        train(module, plan(4))


class Three(AnswerReward):
    def score(self, answer: Answer) -> float | None:
        return 3.0


class Solved(AnswerReward):
    """Varies in the first two steps, then is 1."""

    calls = 0

    def __call__(self, answers):
        self.calls += 1
        return [float(self.calls > 2 or number % 2) for number in range(len(answers))]

    def score(self, answer):
        raise NotImplementedError


def test_a_reward_that_never_varies_stops_the_run_and_is_named():
    module = policy(network(), reward=RewardSum({"never": Never(), "letters": Letters()}, weights={"letters": 0}))
    module.stillness.patience = 3
    with pytest.raises(ValueError, match=r"has not varied for 3 steps.*: never is 0 for every answer\. Look"):
        train(module, plan(4, steps=5))
    assert module.stillness.steps == 3


def test_a_task_that_was_learned_does_not_stop_the_run():
    module = policy(network(), reward=RewardSum({"solved": Solved()}), steps=8, rate=0.0, patience=3)
    _, seen = train(module, plan(4, steps=8))
    assert [metrics["share/zero_variance"] for metrics in seen.metrics] == [0, 0, *[1] * 6]


def test_held_out_prompts_are_answered_the_same_each_time_and_scored_by_task():
    found = []
    for rows in (2, 4):
        module = policy(network(), rate=0.0, validation_samples=4)
        module_kinds = module.kinds
        train(module, plan(rows), count=20, share=0.4)
        found.append(module.validation)
        assert module_kinds == []
        assert "right  abc" in module.replies[0]
        assert "[reward" in module.replies[0]
    assert found[0].keys() == found[1].keys()
    assert found[0] == pytest.approx(found[1], abs=1e-12)
    assert 0 < found[0]["validation/reward/mean"] < 1
    low, high = (found[0][f"validation/pass_greedy_{end}"] for end in ("low", "high"))
    assert 0 <= low <= found[0]["validation/pass_greedy"] <= high < 1
    assert found[0]["validation/reward/letters"] == pytest.approx(found[0]["validation/reward/mean"])
    assert found[0]["validation/pass_at_1"] <= found[0]["validation/pass_at_2"] <= found[0]["validation/pass_at_4"]


def test_names_of_the_validation_metrics_are_known_before_the_first_one():
    assert {"validation/reward/mean", "validation/pass_at_2", "validation/pass_greedy"} <= {
        *policy(network()).metric_names
    }
    assert policy(network()).metric in policy(network()).metric_names


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"group_size": 1}, r"objective\.group_size=1: GroupRelative .*at least 2: try 8"),
        ({"group_size": 1, "advantage": LeaveOneOut()}, r"objective\.group_size=1: LeaveOneOut"),
        ({"ratio": sequence_sum_ratio}, r"objective\.aggregation=token_mean weights .*aggregation=sequence_mean"),
        ({**GSPO, "aggregation": partial(constant, length=3)}, r"objective\.aggregation=constant"),
        ({"clipping": partial(clip, dual=0.5)}, r"objective\.clipping\.dual=0\.5 is not more than 1"),
        ({"sampling": Sampling(temperature=0)}, r"objective\.sampling\.temperature=0 draws the same"),
        ({"sampling": Sampling(repetition_penalty=1.2)}, r"repetition_penalty=1\.2"),
    ],
    ids=["group", "group of rloo", "ratio", "gspo constant", "dual", "greedy", "repetition"],
)
def test_parts_that_do_not_fit_are_refused(parts, words):
    with pytest.raises(ValueError, match=words):
        policy(network(), **parts)


def test_prompts_without_a_reference_are_refused_where_the_reward_needs_one():
    prompt = SimpleNamespace(reference=None, place="p.jsonl:3")
    rows = SimpleNamespace(asked=[prompt], tokenizer=tokenizer(), template=None)
    module = policy(network(), reward=RewardSum({"answer": ExactAnswer()}))
    with pytest.raises(ValueError, match=r"1 of 1 prompts have none \(the first: p\.jsonl:3\)"):
        module.begin(rows, seed=0)
    with pytest.raises(ValueError, match="set data=prompts"):
        module.begin(SimpleNamespace(asked=[]), seed=0)


def test_advantages_that_are_not_finite_stop_the_run():
    class Spoiled(GroupRelative):
        def __call__(self, scored, *, over_ranks):
            return torch.full(scored.mask.shape, math.nan).double(), None

    with pytest.raises(ValueError, match=r"step 1: \d+ advantages are not finite"):
        train(policy(network(), advantage=Spoiled()), plan(4))


def test_a_step_is_outlined_without_memory():
    module = policy(network(), kl=LOSS)
    batch = PromptBatch.outline(2, 24, targets=2, separate_documents=True)
    module.summed_loss(batch).backward()
    assert all(weight.grad is not None for weight in module.model.parameters())
