#!/usr/bin/python3
"""Opens the HTML report of recorded hangs in Chromium, by chromedriver, and uses it as a person does.

    page_test.py IPCDOCTOR SNAPSHOT...

Exit code 77: no Chromium or chromedriver here.
"""
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request

SKIPPED = 77
ESCAPE, TAB = "\ue00c", "\ue004"  # W3C WebDriver, "Keyboard actions"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the same, "Elements"


class Browser:
    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"
        chrome = {"binary": shutil.which("chromium"), "args": ["--headless=new", "--no-sandbox"]}
        self.base += "/session/" + self.call("POST", "/session", {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": chrome,
                                             "goog:loggingPrefs": {"browser": "ALL"}}}})["sessionId"]

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def devtools(self, command, **parameters):
        self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, path, width, scheme):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("POST", "/url", {"url": "file://" + path})

    def value(self, script):
        return self.call("POST", "/execute/sync", {"script": "return " + script, "args": []})

    def type(self, text, selector=None):
        target = {"using": "css selector", "value": selector}
        element = self.call("GET", "/element/active") if selector is None else self.call("POST", "/element", target)
        self.call("POST", f"/element/{element[ELEMENT]}/value", {"text": text})

    def errors(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]


def check(is_true, what):
    if not is_true:
        raise AssertionError(what)


SHOWN = "[...document.querySelectorAll('%s')].filter((e) => e.getClientRects().length > 0)"


def check_page(browser, path, width, scheme):
    browser.open(path, width, scheme)
    check(browser.value("document.title").startswith(("Deadlock: ", "Stuck: ")), "the title is the verdict")
    check(browser.value("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen")
    check(browser.value("performance.getEntriesByType('navigation')[0].loadEventEnd") < 1000, "it is there in a second")
    check(browser.value("performance.getEntriesByType('resource').length") == 0, "nothing is fetched")
    check(browser.value((SHOWN % "svg") + ".length") == browser.value("document.querySelectorAll('.picture').length"),
          "one picture a finding is shown")
    dark = browser.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    check(dark == (scheme == "dark"), "it has the colours of the system")

    lines = browser.value("document.querySelectorAll('.tree > li').length")
    number = browser.value("document.querySelector('.tree > li').dataset.ids.split(/[ -]/)[0]")
    browser.type(number, "#filter")
    check(0 < browser.value((SHOWN % ".tree > li") + ".length") <= lines, "a number finds its process")
    browser.type("no such thing", "#filter")
    check(browser.value((SHOWN % ".tree > li") + ".length") == 0, "other processes are hidden")
    browser.type(ESCAPE, "#filter")
    check(browser.value((SHOWN % ".tree > li") + ".length") == lines, "Escape shows all again")

    browser.open(path, width, scheme)
    browser.type(TAB, "body")
    check(browser.value("document.activeElement.localName") == "a", "the first stop of the keyboard is a box")
    check(browser.value("document.activeElement.ownerSVGElement.classList.contains('chosen')"),
          "its arrows stand out")
    check(browser.value("document.querySelectorAll('#panel h4').length") == 1, "what is known of it is beside it")
    check(browser.errors() == [], "the browser has nothing to complain about")


def run(program, snapshots, driver):
    port = next(line for line in driver.stdout if "successfully on port " in line).rsplit(" ", 1)[1].strip().rstrip(".")
    browser = Browser(port)
    try:
        for snapshot in snapshots:
            with tempfile.NamedTemporaryFile(suffix=".html") as page:
                subprocess.run([program, "analyze", snapshot, "--format", "html=" + page.name], check=False)
                for width in (390, 1280):
                    for scheme in ("light", "dark"):
                        check_page(browser, page.name, width, scheme)
            print("ok", snapshot)
    finally:
        browser.call("DELETE", "")


def main():
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        print("skipped: no chromium and chromedriver")
        return SKIPPED
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            run(sys.argv[1], sys.argv[2:], driver)
        finally:
            driver.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
