"""The chat page in a real browser, with a tiny trained model behind the real server."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

pytest.importorskip("starlette", reason="lm serve is an extra: pip install 'lightning-lm[serve]'")
pytest.importorskip("uvicorn", reason="lm serve is an extra: pip install 'lightning-lm[serve]'")
pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from torch.nn.functional import cross_entropy

from lm.conversation import Message, RoleTokenTemplate
from lm.model import Attention, SwiGLU, Transformer
from support.browser import needs_browser, opened, set_screen, violations, wait_for
from support.serving import TOKENIZER, Serving, serving

pytestmark = needs_browser
CONTEXT = 512
QUESTION = "hello"
ANSWER = 'Hi <b>🙂</b> `x < 1`\n```py\n"<i>"\n```'
SONG = "la la <la>\n"
ASSETS = Path(__file__).parents[3] / "lm/serve/assets"
DONE = "document.getElementById('stop').hidden"
RECORD = (  # every body that the page sends
    "window.sent = []; const before = window.fetch; window.fetch = (path, given) => {"
    "if (given?.body) window.sent.push([path, JSON.parse(given.body)]); return before(path, given); }"
)


def trained_model() -> Transformer:
    """A model that knows one answer, and one song without end."""
    torch.manual_seed(0)
    attention, feedforward = partial(Attention, heads=4), partial(SwiGLU, hidden=128)
    model = Transformer(
        vocab_size=TOKENIZER.vocab_size, context=CONTEXT, dim=64, layers=2, attention=attention, feedforward=feedforward
    )
    prompt = RoleTokenTemplate().prompt([Message("user", QUESTION)], TOKENIZER)
    chat = [*prompt, *TOKENIZER.encode(ANSWER), *RoleTokenTemplate().stop_tokens(TOKENIZER)][:128]
    song = TOKENIZER.encode(SONG * 12)[: len(chat)]
    rows = torch.tensor([chat, song])
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        loss = cross_entropy(model(rows[:, :-1]).flatten(0, 1).float(), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.15:
            break
    return model.eval()


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serving(model=trained_model()) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with opened() as driver:
        yield driver


class Page:
    """The page as a person uses it."""

    def __init__(self, browser, url: str, *, settings: dict | None = None, width: int = 1280, scheme: str = "light"):
        self.browser, self.url = browser, f"{url.rstrip(chr(47))}/"
        set_screen(browser, width=width, scheme=scheme)
        browser.get(f"{self.url}health")
        kept = json.dumps({"temperature": 0, "max_tokens": 120, **(settings or {})})
        browser.execute_script(
            "localStorage.clear(); sessionStorage.clear(); localStorage.setItem('lm-settings', arguments[0])", kept
        )
        self.load()
        browser.get_log("browser")  # what was printed before

    def load(self) -> None:
        self.browser.get(self.url)
        self.browser.execute_script(RECORD)
        wait_for(self.browser, "document.querySelector('.lane')")

    def find(self, selector: str):
        return self.browser.find_element("css selector", selector)

    def all(self, selector: str) -> list:
        return self.browser.find_elements("css selector", selector)

    def click(self, selector: str) -> None:
        self.find(selector).click()

    def press(self, name: str, *, within: str = ".lane") -> None:
        """Press the last button of this name."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].findLast("
            "each => each.textContent === arguments[1] && each.checkVisibility())"
        )
        button = self.browser.execute_script(script, f"{within} button", name)
        assert button, name
        button.click()

    def send(self, text: str) -> None:
        self.find("#typed").send_keys(text, Keys.ENTER)
        self.wait()

    def wait(self) -> None:
        wait_for(self.browser, DONE)

    def texts(self, lane: int = 1) -> list[str]:
        return [each.text for each in self.all(f".lane:nth-child({lane}) .message > .tokens")]

    def content(self, lane: int = 0) -> list[str]:
        """The contents of the messages that are shown, as they are kept."""
        [key] = self.browser.execute_script(
            "return Object.keys(localStorage).filter(each => each.startsWith('lm-chat'))"
        )
        found = json.loads(self.browser.execute_script("return localStorage.getItem(arguments[0])", key))["lanes"][lane]
        contents, name = [], found["chosen"].get("")
        while name:
            contents.append(found["nodes"][name]["content"])
            name = found["chosen"].get(name)
        return contents

    def sent(self, path: str) -> list[dict]:
        return [body for where, body in self.browser.execute_script("return window.sent") if where == path]

    def set(self, name: str, value: str) -> None:
        box = self.find(f"#set-{name}")
        box.clear()
        box.send_keys(value)


@pytest.fixture
def page(browser, server) -> Page:
    return Page(browser, server.server.url)


def test_an_answer_is_streamed_and_shown_as_text_with_its_code_apart(page):
    page.send(QUESTION)
    assert page.content() == [QUESTION, ANSWER]
    assert page.find(".assistant .code pre").text == '"<i>"'
    assert [each.text for each in page.all(".assistant .tokens > code")] == ["x < 1"]
    assert "Hi <b>🙂</b>" in page.texts()[1]
    assert page.all(".assistant b, .assistant i") == []
    [body] = page.sent("/v1/chat/completions")
    assert body["stream"]
    assert body["messages"] == [{"role": "user", "content": QUESTION}]
    assert body["temperature"] == 0
    assert "seed" in page.find(".facts").text
    assert "perplexity" in page.find(".facts").text


def test_a_token_shows_its_probability_and_what_else_was_likely(page):
    page.send(QUESTION)
    tokens = page.all(".assistant .token")
    assert tokens[ANSWER.index("🙂")].text == "🙂"  # four tokens of one byte, which make one character
    ActionChains(page.browser).move_to_element(tokens[0]).perform()
    wait_for(page.browser, "!document.getElementById('token-card').hidden")
    card = page.find("#token-card").text
    assert card.startswith("H ")
    assert "bytes 48" in card
    assert "surprise" in card
    assert "all others" in card
    assert len(page.all("#token-card .alternative")) == 6
    ActionChains(page.browser).move_to_element(tokens[ANSWER.index("🙂")]).perform()
    wait_for(page.browser, "document.querySelectorAll('#token-card .asked-token').length === 4")


def test_tokens_are_reached_by_keyboard(page):
    page.send(QUESTION)
    body = page.find(".assistant .tokens")
    body.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.find("#token-card strong").text.endswith("%")
    assert page.find("#token-card code").text == "i"
    assert page.find("#said").get_attribute("textContent").startswith("i, ")
    body.send_keys(Keys.ENTER)
    assert "continue with it" in page.browser.switch_to.active_element.get_attribute("aria-label")
    page.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not page.find("#token-card").is_displayed()
    assert page.browser.switch_to.active_element == body


def test_another_token_begins_another_version_there(page):
    page.send(QUESTION)
    page.find(".assistant .tokens").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    other = page.browser.switch_to.active_element
    chosen = other.find_element("css selector", "code").text.translate(str.maketrans("␣↵", " \n"))
    other.send_keys(Keys.ENTER)
    page.wait()
    assert page.find(".assistant .versions").text == "‹2/2›"
    assert page.content()[1].startswith(f"H{chosen}")
    body = page.sent("/v1/chat/completions")[-1]
    assert body["continue_final_message"]
    assert body["messages"][-1] == {"role": "assistant", "content": f"H{chosen}"}
    kept = page.browser.execute_script(
        "return [...document.querySelectorAll('.assistant .token')].map(x => x.textContent)"
    )
    assert kept[:2] == ["H", chosen]  # with their probabilities


def test_colours_of_surprise_can_be_switched(page):
    page.send(QUESTION)
    colours = (
        "return new Set([...document.querySelectorAll('.assistant .token')]"
        ".map(each => getComputedStyle(each).backgroundColor)).size"
    )
    page.browser.execute_script("document.querySelector('.assistant .token').classList.add('level-5')")
    assert page.browser.execute_script(colours) == 1
    page.click("#surprise")
    assert page.browser.execute_script(colours) > 1
    assert page.find("#scale").is_displayed()
    page.load()
    assert page.find("#surprise").is_selected()  # the choice is kept


def test_an_answer_is_stopped_and_continued(page, server):
    page.set("max_tokens", "400")
    Select(page.find(".lane select")).select_by_visible_text("pretrain/base")
    page.find("#typed").send_keys(SONG.strip(), Keys.ENTER)
    wait_for(page.browser, "document.querySelectorAll('.assistant .token').length > 3")
    page.click("#stop")
    page.wait()
    stopped = page.content()[1]
    assert 3 < len(stopped) < 380
    assert "stopped" in page.find(".facts").text
    until = time.monotonic() + 5
    while server.served[1].engine.counters().running and time.monotonic() < until:
        time.sleep(0.01)
    assert server.served[1].engine.counters().running == 0
    page.set("max_tokens", "5")
    page.press("Continue")
    page.wait()
    assert page.content()[1].startswith(stopped)
    assert len(page.content()[1]) == len(stopped) + 5
    assert "cut at the token limit" in page.find(".facts").text
    assert f" {len(stopped) + 5} tokens" in page.find(".facts").text
    body = page.sent("/v1/completions")[-1]
    assert body["prompt"] == SONG.strip() + stopped


def test_retry_and_edit_keep_every_version(page):
    page.send(QUESTION)
    page.press("Retry")
    page.wait()
    assert page.find(".assistant .versions").text == "‹2/2›"
    page.find(".assistant [aria-label='Previous version']").click()
    assert page.find(".assistant .versions").text == "‹1/2›"
    page.find(".user [aria-label='Edit this message']").click()
    box = page.find(".user textarea")
    box.clear()
    box.send_keys("hello!")
    page.press("Send", within=".user")
    page.wait()
    assert page.content()[0] == "hello!"
    assert page.find(".user .versions").text == "‹2/2›"
    page.find(".user [aria-label='Previous version']").click()
    assert page.content() == [QUESTION, ANSWER]
    assert "1/2" in page.find(".assistant .versions").text


def test_an_answer_that_is_edited_is_a_version_and_can_be_continued(page):
    page.send(QUESTION)
    page.find(".assistant [aria-label='Edit this answer']").click()
    box = page.find(".assistant textarea")
    box.clear()
    box.send_keys("Hi <b>")
    page.press("Save as a version", within=".assistant")
    assert page.content() == [QUESTION, "Hi <b>"]
    assert "edited by you" in page.find(".facts").text
    page.press("Continue")
    page.wait()
    assert page.content() == [QUESTION, ANSWER]
    assert page.browser.execute_script("return document.querySelectorAll('.assistant .token').length") > 15


def test_the_controls_and_the_system_prompt_are_sent(page):
    page.set("top_p", "3")
    assert "Until then the default holds" in page.find("#set-top_p-hint").text
    values = {"temperature": "0.7", "top_p": "0.9", "top_k": "20", "repetition_penalty": "1.1", "max_tokens": "9"}
    for name, value in {**values, "seed": "7"}.items():
        page.set(name, value)
    page.find("#set-stop").send_keys("\\n\nBye")
    Select(page.find("#set-alternatives")).select_by_value("3")
    page.click("#system-box summary")
    page.find("#system").send_keys("Be kind.")
    page.send(QUESTION)
    [body] = page.sent("/v1/chat/completions")
    assert {name: body[name] for name in values} == {name: float(value) for name, value in values.items()}
    assert (body["seed"], body["stop"], body["top_logprobs"]) == (7, ["\n", "Bye"], 3)
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert "seed 7" in page.find(".facts").text
    first = page.content()[1]
    page.press("Retry")
    page.wait()
    assert page.content()[1] == first  # the seed is the same
    page.press("Reset", within="#settings")
    Select(page.find("#set-alternatives")).select_by_value("0")
    page.set("max_tokens", "5")
    page.press("Retry")
    page.wait()
    body = page.sent("/v1/chat/completions")[-1]
    assert {"temperature", "seed", "stop", "logprobs"}.isdisjoint(body)
    assert page.all(".assistant .token") == []


def test_two_models_answer_side_by_side(page):
    page.click("#compare")
    names = [Select(each).first_selected_option.text for each in page.all(".lane select")]
    assert names == ["instruct/small", "pretrain/base"]
    page.set("max_tokens", "20")
    page.send(QUESTION)
    assert page.content(0)[0] == page.content(1)[0] == QUESTION
    assert [body["model"] for body in page.sent("/v1/completions")] == ["pretrain/base"]
    page.find(".lane:nth-child(2) [aria-label='Edit this message']").click()
    page.find(".lane:nth-child(2) textarea").send_keys("!")
    page.press("Send", within=".lane:nth-child(2)")
    page.wait()
    assert page.content(0)[0] == page.content(1)[0] == "hello!"  # a question to both is edited for both
    page.find(".lane:nth-child(1) .user [aria-label='Previous version']").click()
    assert page.content(0)[0] == page.content(1)[0] == QUESTION
    page.press("Retry", within=".lane:nth-child(2)")
    page.wait()
    assert "2/2" in page.find(".lane:nth-child(2)").text
    assert "2/2" not in page.find(".lane:nth-child(1) .assistant").text
    page.click("#compare")
    assert len(page.all(".lane")) == 1
    page.click("#compare")
    assert "2/2" in page.find(".lane:nth-child(2)").text  # a column that was closed is there again


def test_what_is_typed_is_shown_as_tokens(page):
    page.find("#typed").send_keys("é <b>")
    page.click("#show-tokens")
    wait_for(page.browser, "document.querySelectorAll('.chip').length === 6")
    assert page.find("#token-count").text == "6 tokens · 5 characters · 6 bytes"
    assert page.all(".chip")[0].text.split("\n") == [r"\xc3", "195", "c3"]
    view = Select(page.find("#token-view"))
    view.select_by_value("prompt")
    wait_for(page.browser, "document.querySelectorAll('.chip.special').length > 2")
    assert f"of {CONTEXT} tokens of context" in page.find("#token-count").text
    assert "<|user|>" in page.find("#token-list").text
    assert "<|assistant|>" in page.find("#token-list").text
    view.select_by_value("likely")
    wait_for(page.browser, "document.querySelectorAll('.chip.token').length >= 6")
    assert "perplexity" in page.find("#token-count").text
    page.find("#token-list").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "%" in page.find("#token-card strong").text


def test_a_chat_is_copied_and_saved(page, tmp_path: Path):
    page.browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
    page.click("#system-box summary")
    page.find("#system").send_keys("Be kind.")
    page.send(QUESTION)
    turns = [("system", "Be kind."), ("user", QUESTION), ("assistant", page.content()[1])]
    page.find("[aria-label='Copy this answer']").click()
    wait_for(page.browser, "document.querySelector(\"[aria-label='Copy this answer']\").textContent === 'Copied'")
    copied = page.browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == page.content()[1]
    for name, file in (("Save JSON (OpenAI messages)", "hello.json"), ("Save Markdown", "hello.md")):
        page.click(".menu summary")
        page.press(name)
        until = time.monotonic() + 10
        while not (tmp_path / file).exists() and time.monotonic() < until:
            time.sleep(0.02)
    saved = json.loads((tmp_path / "hello.json").read_text(encoding="utf-8"))
    messages = [{"role": role, "content": content} for role, content in turns]
    assert saved == {"model": "instruct/small", "messages": messages}
    written = (tmp_path / "hello.md").read_text(encoding="utf-8")
    assert written.startswith(
        "# hello\n\nModel: instruct/small\n\n## System\n\nBe kind.\n\n## User\n\nhello\n\n## Assistant"
    )


def test_chats_are_kept_in_the_browser_until_they_are_deleted(page):
    page.send(QUESTION)
    page.click("#new-chat")
    assert page.texts() == []
    page.load()
    page.find("#chat-list .chat").click()
    assert page.content() == [QUESTION, ANSWER]
    assert page.all(".assistant .token")
    assert page.browser.get_cookies() == []
    page.click("[aria-label='Delete the chat hello']")
    page.browser.switch_to.alert.accept()
    assert page.all("#chat-list li") == []
    assert page.texts() == []
    assert page.browser.execute_script("return Object.keys(localStorage)") == ["lm-settings"]


def test_token_probabilities_are_kept_in_few_characters(page):
    page.send(QUESTION)
    described = (
        "const score = await import('/assets/scores.js'); const one = {id: 3, text: 'bytes:\\\\xc3', bytes: [195],"
        "logprob: -1.5, top: [{id: 4, text: '<eos>', bytes: null, logprob: -0.25}, {id: 5, text: 'é',"
        "bytes: [195, 169], logprob: -2}]}; return [score.packed(one), one, score.unpacked(score.packed(one))]"
    )
    packed, one, again = page.browser.execute_script(f"return (async () => {{ {described} }})()")
    assert packed == [3, r"bytes:\xc3", -1.5, 0, [[4, "<eos>", -0.25, None], [5, "é", -2, 0]]]
    assert again == one
    shown = "return [...document.querySelectorAll('.assistant .token')].map(each => each.textContent)"
    before = page.browser.execute_script(shown)
    page.load()
    assert page.browser.execute_script(shown) == before
    page.find(".assistant .tokens").send_keys(Keys.ARROW_RIGHT)
    assert "bytes 48" in page.find("#token-card").text


def test_a_full_storage_gives_up_probabilities_of_old_answers_and_says_so(page):
    page.send(QUESTION)
    fill = "localStorage.setItem('junk', 'x'.repeat(arguments[0] - JSON.stringify({...localStorage}).length - 100))"
    page.browser.execute_script(fill, 5 * 2**20)  # what Chromium keeps for a page
    page.click("#new-chat")
    page.send("hi")
    assert "probabilities of older answers were removed" in page.find("#notice").text
    page.browser.execute_script("localStorage.removeItem('junk')")
    page.load()
    assert len(page.all("#chat-list li")) == 2
    page.find("#chat-list li:last-child .chat").click()
    assert page.all(".assistant .token") == []
    assert "Hi <b>🙂</b>" in page.texts()[1]


def test_an_answer_that_is_cut_by_leaving_the_page_is_kept_as_far_as_it_went(page):
    page.set("max_tokens", "400")
    Select(page.find(".lane select")).select_by_visible_text("pretrain/base")
    page.find("#typed").send_keys(SONG.strip(), Keys.ENTER)
    wait_for(page.browser, "document.querySelectorAll('.assistant .token').length > 3")
    page.load()
    assert 3 < len(page.content()[1]) < 380
    assert "stopped" in page.find(".facts").text


def test_an_error_is_said_in_words_and_can_be_tried_again(page):
    page.set("max_tokens", "9999")
    page.send(QUESTION)
    assert str(CONTEXT) in page.find(".assistant .error").text
    page.set("max_tokens", "120")
    page.press("Try again")
    page.wait()
    assert page.content() == [QUESTION, ANSWER]
    assert page.all(".assistant .error") == []
    broken = (
        "const ask = window.fetch; window.fetch = async (path, given) => { if (!path.startsWith('/v1/chat')) return"
        " ask(path, given); window.fetch = ask; return new Response(arguments[0]) }"
    ).replace("arguments[0]", "window.broken")
    for events, words in {
        'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: {"error":{"message":"the engine <failed>"}}\n\n':
            "the engine <failed>",
        'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n': "ended before the answer was complete",
    }.items():  # fmt: skip
        page.browser.execute_script(f"window.broken = {json.dumps(events)}; {broken}")
        page.press("Retry")
        page.wait()
        assert words in page.find(".assistant .error").text
        assert page.content()[1] == "Hi"
    page.press("Try again")
    page.wait()
    assert page.content()[1] == ANSWER
    page.browser.execute_script("window.fetch = () => Promise.reject(new TypeError('no'))")
    page.press("Retry")
    page.wait()
    assert "does not answer" in page.find(".assistant .error").text


def test_a_server_with_a_key_asks_for_it(browser):
    with serving(key="a secret key") as found:
        page = Page(browser, found.server.url)
        wait_for(browser, "document.getElementById('key-dialog').open")
        page.find("#key").send_keys("a secret key", Keys.ENTER)
        wait_for(browser, "document.querySelector('.lane select').value === 'instruct/small'")
        page.set("max_tokens", "3")
        page.send("hi")
        assert page.all(".error") == []
        assert "a secret key" not in browser.execute_script("return JSON.stringify(localStorage)")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_is_accessible_and_fits_the_screen(browser, server, tmp_path: Path, width: int, scheme: str):
    page = Page(browser, server.server.url, width=width, scheme=scheme, settings={"colours": True})
    page.send(QUESTION)
    page.press("Retry")
    page.wait()
    page.find("#typed").send_keys("some <text>")
    page.click("#show-tokens")
    wait_for(browser, "document.querySelectorAll('.chip').length > 5")
    browser.execute_script(
        "document.querySelectorAll('.assistant .token').forEach((each, at) => each.classList.add(`level-${at % 6}`));"
        "document.querySelector('#system-box').open = true"
    )
    browser.save_screenshot(str(tmp_path / "chat.png"))
    assert violations(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []


def test_nothing_is_inserted_as_html_or_loaded_from_elsewhere(server):
    status, headers, _ = server.send("/")
    policy = headers["content-security-policy"]
    assert status == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    for file in sorted(ASSETS.iterdir()):
        text = file.read_text(encoding="utf-8")
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "://", "style="):
            assert forbidden not in text, (file.name, forbidden)
