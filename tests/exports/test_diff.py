# SPDX-License-Identifier: GPL-2.0-or-later
"""diff and --fail-if as a user has them, of recorded runs. What they must say is worked out here, from what
the tool says of each run by itself: --format jsonl and --summary-json."""

import html.parser
import json
import re
import shutil
import statistics
import struct
import subprocess
import unittest
from collections import defaultdict

import jsonschema

from tool import ROOT, TAPES, scratch, tool

MIB = 1 << 20
RUNS = TAPES / "diff"
OLD = [RUNS / f"old{i}.tape" for i in (1, 2, 3)]
NEW = [RUNS / f"new{i}.tape" for i in (1, 2, 3)]
SORT4, SORT64 = RUNS / "sort4.tape", RUNS / "sort64.tape"


# --- what a run says of itself -----------------------------------------------------------------------------


class Run:
    """One tape: figures by (kind, process, number, name, file)."""

    def __init__(self, tape):
        with scratch() as d:
            lines = tool("--replay", tape, "--lang", "en", "--format", "jsonl", "--summary-json", d / "who.json").stdout
            self.who = json.loads((d / "who.json").read_text())
        self.lines = [json.loads(line) for line in lines.splitlines()]
        self.programs = sorted(
            (p for p in self.lines if p["type"] == "process" and (not p["borrowed"] or p["rows"])),
            key=lambda p: (p["born_ns"], p["pid"]),
        )
        seen = defaultdict(int)
        for p in self.programs:
            p["name"] = re.sub(r"(?i)(?<=pid )\d+|\d{4,}", "*", p["role"] or p["comm"])
            seen[p["name"]] += 1
            p["number"] = seen[p["name"]]
        self.rows = self.rows_by_label()
        self.figures = {**self.processes(), **self.labels(), **self.growth()}

    def program(self, pid, start_ns, time_ns):
        """The one that ran then: a process may have been several."""
        mine = [p for p in self.programs if (p["pid"], p["start_ns"]) == (pid, start_ns) and p["born_ns"] <= time_ns]
        return mine[-1]

    def rows_by_label(self):
        """Points by --step come when they come: what they moved is the next row's."""
        rows, totals = defaultdict(list), defaultdict(int)
        for row in self.lines:
            if row["type"] != "checkpoint" or (row["when"] == "point" and not row["function"]):
                continue
            p = self.program(row["pid"], row["start_ns"], row["time_ns"])
            who = p["name"], p["number"]
            rows["label", *who, row["label"], ""].append((row["total"] - totals[who], row["total"]))
            totals[who] = row["total"]
        return rows

    def labels(self):
        return {key: {"delta": sum(d for d, _ in rows), "total": rows[-1][1], "times": len(rows)}
                for key, rows in self.rows.items()}

    def processes(self):
        figures = {}
        for p in self.programs:
            if p["last"] and not p["borrowed"]:
                figures["process", p["name"], p["number"], p["name"], ""] = {
                    "baseline": p["baseline"] if p["rows"] else p["first"]["rss"], "end": p["last"]["rss"],
                    "peak": p["peak"]["rss"]}
        peak = self.lines[-1]["tree_peak"]
        return figures | ({("tree", "", 0, "", ""): {"peak": peak["rss"]}} if peak else {})

    def growth(self):
        figures = defaultdict(lambda: defaultdict(int))
        seen = defaultdict(int)
        for g in self.who["processes"]:
            # a pid's programs end in their order
            mine = [p for p in self.programs if (p["pid"], p["start_ns"]) == (g["pid"], g["start_ns"])
                    and not p["borrowed"]]
            p = mine[seen[g["pid"], g["start_ns"]]]
            seen[g["pid"], g["start_ns"]] += 1
            for kind, places in ("function", g["functions"]), ("native_function", g["native_functions"]):
                for place in places:
                    figure = figures[kind, p["name"], p["number"], place["name"], place["file"]]
                    for what in "self", "inclusive":
                        figure[what] += rss(place[what])
            for m in g["mappings"]:
                figures["mapping", p["name"], p["number"], m["name"], ""]["net"] += rss(m)
        return figures


def rss(change):
    return change["anon"] + change["file"] + change["shmem"]


# --- what diff says ---------------------------------------------------------------------------------------


def diff(*args, status=0):
    run = tool("diff", "--lang", "en", *args, status=status)
    return run


def lines_of(*args):
    return [json.loads(line) for line in diff("--format", "jsonl", *args).stdout.splitlines()]


def key_of(line):
    kind = line["type"]
    name = line.get("label") or line.get("name") or (line["process"] if kind == "process" else "")
    return kind, line.get("process", ""), line.get("number", 0), name, line.get("file", "")


def values_of(line):
    return {k: v for k, v in line.items() if isinstance(v, dict)}


def median(values):
    return int(statistics.median_low(values) + (statistics.median_high(values) - statistics.median_low(values)) // 2)


def expected(a, b):
    """By the rule that the README states."""
    return {
        "a": {"low": min(a), "median": median(a), "high": max(a)},
        "b": {"low": min(b), "median": median(b), "high": max(b)},
        "difference": median(b) - median(a),
        "differs": max(a) < min(b) or max(b) < min(a),
    }


class Figures(unittest.TestCase):
    """Every line of jsonl, against the runs."""

    def check(self, tapes_a, tapes_b):
        a, b = [Run(t) for t in tapes_a], [Run(t) for t in tapes_b]
        lines = lines_of(*tapes_a, "vs", *tapes_b)
        told = {key_of(line): line for line in lines if line["type"] not in ("diff", "occurrence", "summary")}
        moved = 0
        for key in sorted({k for run in a + b for k in run.figures}):
            line = told.pop(key, None)
            if line is None:  # a file that lies elsewhere in the other version goes by the name that it has in A
                self.assertIn(key[0], ("function", "native_function", "mapping"), key)
                moved += 1
                continue
            for what, value in values_of(line).items():
                of_a = [run.figures.get(key, {}).get(what, 0) for run in a]
                of_b = [run.figures.get(key, {}).get(what, 0) for run in b]
                if line["only"] is None and line.get("file", "").startswith("/tmp/"):
                    of_b = [self.elsewhere(run, key, what) for run in b]
                self.assertEqual(value, expected(of_a, of_b), (key, what))
        self.assertEqual([k for k in told if k[0] not in ("process",)], [])
        self.check_rows(lines, a, b)
        return lines, moved

    def elsewhere(self, run, key, what):
        """In the one function of that name whose path ends alike."""
        base = key[4].split("/")[-1]
        found = [v for k, v in run.figures.items() if k[:4] == key[:4] and k[4].split("/")[-1] == base]
        self.assertLessEqual(len(found), 1)
        return found[0][what] if found else 0

    def check_rows(self, lines, a, b):
        for line in lines:
            if line["type"] != "occurrence":
                continue
            key, nth = ("label", line["process"], line["number"], line["label"], ""), line["nth"] - 1
            for i, what in enumerate(("delta", "total")):
                of_a, of_b = ([(run.rows[key][nth][i] if nth < len(run.rows[key]) else 0) for run in side]
                              for side in (a, b))
                self.assertEqual(line[what], expected(of_a, of_b), (key, nth, what))

    def test_of_two_runs_of_a_python_server_are_those_of_each(self):
        lines, moved = self.check(OLD[:1], NEW[:1])
        self.assertGreater(moved, 5)
        self.assertGreater(len(lines), 100)
        self.assertTrue(lines[0]["growth"])

    def test_of_three_runs_a_side_are_their_ranges_and_medians(self):
        self.check(OLD, NEW)

    def test_of_two_sorts_of_postgresql_are_those_of_each(self):
        self.check([SORT4], [SORT64])

    def test_of_recordings_without_growth_are_those_of_each(self):
        lines, _ = self.check([TAPES / "demo.tape"], OLD[:1])
        self.assertFalse(lines[0]["growth"])
        self.assertEqual({line["type"] for line in lines} - {"occurrence"},
                         {"diff", "tree", "process", "label", "summary"})

    def test_of_vllm_and_itself_are_the_same(self):
        vllm = TAPES / "vllm.tape"
        lines, _ = self.check([vllm], [vllm])
        self.assertEqual(lines[-1], {"type": "summary", "differences": 0})


class Found(unittest.TestCase):
    """The 50 MiB that the new version keeps, and what it is that sorts."""

    def test_the_label_the_function_and_both_ranks_are_named(self):
        lines = lines_of(*OLD, "vs", *NEW)
        for rank in 0, 1:
            worker = [line for line in lines if line.get("process") == f"Worker_{rank}"]
            label = next(line for line in worker if line.get("label") == "after building tables")
            function = next(line for line in worker if line.get("name") == "Worker.build_tables")
            for value in label["delta"], function["inclusive"], function["self"]:
                self.assertTrue(value["differs"])
                self.assertAlmostEqual(value["difference"] / MIB, 50, delta=1)
        tree = next(line for line in lines if line["type"] == "tree")
        self.assertTrue(tree["peak"]["differs"])

    def test_what_is_different_each_time_is_noise_once_there_are_several_runs(self):
        def warm_up(*tapes):
            lines = lines_of(*tapes)
            return [line["delta"]["differs"] for line in lines if line.get("label") == "after warming up"
                    and line["type"] == "label"] + [
                line["self"]["differs"] for line in lines if line.get("name") == "Worker.warm_up"]

        self.assertEqual(warm_up(OLD[0], OLD[1]), [True] * 4)
        self.assertEqual(warm_up(*OLD, "vs", *NEW), [False] * 4)

    def test_text_names_it_first(self):
        text = diff(*OLD, "vs", *NEW).stdout
        self.assertIn("A: " + " ".join(map(str, OLD)) + " (3 runs)\n", text)
        self.assertRegex(text, r"(?s)Labels \(M\):\n[^\n]*\n[^\n]*\+(49|50|51)\.\d\d[^\n]*after building tables\n")
        functions = text[text.index("Growth by function (M):"):].splitlines()[2:]
        self.assertEqual(sum("Worker.build_tables" in line for line in functions[:4]), 2)
        self.assertRegex(text, "command: /usr/bin/python3 .*/old/server.py \\| .*/new/server.py\n")

    def test_a_sort_with_more_memory_has_it_in_the_backend(self):
        lines = lines_of(SORT4, SORT64)
        backend = next(line for line in lines if line["type"] == "process" and "[local]" in line["process"])
        self.assertGreater(backend["peak"]["difference"], 15 * MIB)
        sort = [line for line in lines if line["type"] == "label" and "sort" in line["label"]]
        self.assertGreater(max(line["delta"]["difference"] for line in sort), 10 * MIB)


class Formats(unittest.TestCase):
    def test_each_line_is_as_the_schema_says(self):
        schema = json.loads(tool("--json-schema=diff").stdout)
        self.assertEqual(json.loads(tool("diff", "--json-schema").stdout), schema)
        self.assertEqual(json.loads((ROOT / "userspace" / "ramtrace-diff.schema.json").read_text()), schema)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for tapes in (OLD[0], NEW[0]), (*OLD, "vs", *NEW), (SORT4, SORT64):
            for line in lines_of(*tapes):
                validator.validate(line)
        self.assertIn("--json-schema", tool("diff", "--help").stdout)

    def test_other_schemas_are_printed_as_well(self):
        for name in "rows", "summary":
            self.assertEqual(json.loads(tool(f"--json-schema={name}").stdout),
                             json.loads((ROOT / "userspace" / f"ramtrace-{name}.schema.json").read_text()))

    def test_min_delta_leaves_out_what_is_small(self):
        full = [line for line in lines_of(OLD[0], NEW[0]) if line["type"] != "occurrence"]
        large = [line for line in lines_of("--min-delta", "1M", OLD[0], NEW[0]) if line["type"] != "occurrence"]

        def stays(line):
            return line.get("only") or any(abs(v["difference"]) >= MIB for k, v in values_of(line).items()
                                           if k != "times")

        self.assertEqual(large[1:-1], [line for line in full[1:-1] if stays(line)])
        self.assertNotRegex(diff("--min-delta", "1M", OLD[0], NEW[0]).stdout, r"[+-]0\.[0-8]\d +\S+ +before")

    def test_a_page_has_the_figures_of_the_lines_and_loads_nothing(self):
        with scratch() as d:
            run = diff(*OLD, "vs", *NEW, "--min-delta", "0", "--html", d / "diff.html")
            self.assertEqual(run.stdout, "", "a page comes without its text")
            page = Page((d / "diff.html").read_text())
        self.assertEqual(page.loads, [])
        for line in lines_of(*OLD, "vs", *NEW):
            if line["type"] != "label":
                continue
            row = next(r for r in page.rows if r["cells"][-1] == line["label"] and
                       r["cells"][-2] in (line["process"], f"{line['process']} #{line['number']}"))
            difference = line["delta"]["difference"] if line["delta"]["differs"] else 0
            self.assertEqual(int(row["values"][2]), difference, line["label"])
            self.assertEqual(row["noise"], not line["delta"]["differs"] and not line["total"]["differs"]
                             and not line["only"])

    def test_it_is_told_in_chinese_too(self):
        self.assertIn("各标签 (M):", tool("diff", "--lang", "zh", OLD[0], NEW[0]).stdout)
        self.assertIn("构建表之后", tool("diff", "--lang", "zh", OLD[0], NEW[0]).stdout)


# Put behind the page: does what a reader would, and leaves what there is to be seen then as JSON.
READER = """<pre id="seen"></pre><script>
addEventListener("load", () => {
	const rows = () => [...document.querySelectorAll("section:has(th:nth-child(10)) tbody tr")].filter(
		row => getComputedStyle(row).display !== "none").map(row => row.textContent);
	const seen = {first: rows()}, filter = document.getElementById("filter");
	document.getElementById("noise").click();
	seen.noise = rows();
	filter.value = "worker_0 tables";
	filter.dispatchEvent(new Event("input"));
	seen.filtered = rows();
	filter.value = "";
	filter.dispatchEvent(new Event("input"));
	const th = [...document.querySelectorAll("th")].find(th => th.textContent === "used B");
	const values = () => [...th.closest("table").tBodies[0].rows].map(row => row.cells[th.cellIndex].dataset.v ?? "-");
	th.click();
	seen.down = values();
	th.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}));
	seen.up = values();
	document.getElementById("seen").textContent = JSON.stringify(seen);
});
</script>"""


class Browser(unittest.TestCase):
    """The page as Chromium shows it."""

    def test_noise_is_hidden_rows_are_found_and_sorted(self):
        with scratch() as d:
            page = d / "diff.html"
            diff(*OLD, "vs", *NEW, "--min-delta", "0", "--html", page)
            page.write_text(page.read_text().replace("</body>", READER + "</body>"))
            run = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={d}/c",
                                  "--virtual-time-budget=5000", "--dump-dom", f"file://{page}"],
                                 capture_output=True, text=True, timeout=120, check=True)
        seen = json.loads(html.unescape(re.search('<pre id="seen">(.+?)</pre>', run.stdout).group(1)))
        labels = [line for line in lines_of(*OLD, "vs", *NEW) if line["type"] == "label"]
        told = [line for line in labels if line["delta"]["differs"] or line["total"]["differs"]]
        self.assertTrue(0 < len(told) < len(labels))
        self.assertGreaterEqual(len(seen["first"]), len(told), "processes have ten columns, too")
        self.assertEqual(len(seen["noise"]) - len(seen["first"]), self.noise(labels))
        self.assertEqual(len(seen["filtered"]), 2)
        self.assertTrue(all("Worker_0" in row and "tables" in row for row in seen["filtered"]))
        values = [line["delta"]["b"]["median"] for line in labels]
        self.assertEqual([int(v) for v in seen["down"]], sorted(values, reverse=True))
        self.assertEqual([int(v) for v in seen["up"]], sorted(values))

    def noise(self, labels):
        processes = [line for line in lines_of(*OLD, "vs", *NEW) if line["type"] == "process"]
        return sum(not line["only"] and not any(line[k]["differs"] for k in ("delta", "total")) for line in labels) + \
            sum(not line["only"] and not any(line[k]["differs"] for k in ("baseline", "end", "peak"))
                for line in processes)


class Page(html.parser.HTMLParser):
    """Rows of all tables: texts of cells, their data-v, and whether they are noise."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.loads, self.cell, self.body = [], [], None, False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.loads += [attrs[k] for k in ("src", "href", "data", "action") if k in attrs]
        self.body |= tag == "tbody"
        if tag == "tr" and self.body:
            self.rows.append({"cells": [], "values": [], "noise": attrs.get("class") == "noise"})
        if tag == "td":
            self.cell = []
            self.rows[-1]["values"].append(attrs.get("data-v"))

    def handle_endtag(self, tag):
        self.body &= tag != "tbody"
        if tag == "td":
            self.rows[-1]["cells"].append("".join(self.cell))
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)


# --- conditions --------------------------------------------------------------------------------------------


class Gate(unittest.TestCase):
    def test_a_difference_beyond_the_limit_is_status_3_with_the_rows(self):
        run = diff(*OLD, "vs", *NEW, "--fail-if", "after building tables>+40M", "-o", "/dev/null", status=3)
        self.assertRegex(run.stderr, r"--fail-if 'after building tables>\+40M' holds \(2\):\n.*"
                                     r"\(Worker_[01]\) after building tables: \d+\.\d\d -> \d+\.\d\d M \(\+(49|50|51)\.")
        for condition in "after building tables>+60M", "growth(Worker.warm_up)>+512K", "构建表之后>+60M":
            self.assertEqual(diff(*OLD, "vs", *NEW, "--fail-if", condition, "-o", "/dev/null").stderr, "")
        for condition in "growth(Worker.build_tables)>+40M", "peak(Worker_*)>+20%", "构建表之后>+40M", "tree()>+50M":
            diff(*OLD, "vs", *NEW, "--fail-if", condition, "-o", "/dev/null", status=3)

    def test_a_replay_is_gated_by_what_its_rows_say(self):
        rows = [line for line in Run(OLD[0]).lines if line["type"] == "checkpoint" and line["delta"] > 10 * MIB]
        run = tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", "*>10M", status=3)
        self.assertIn(f"--fail-if '*>10M' holds ({len(rows)}):", run.stderr)
        most = max(row["delta"] for row in rows)
        self.assertEqual(tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"*>{most}").stderr, "")
        tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"*>={most}", status=3)

    def test_peaks_of_processes_are_those_of_their_lines(self):
        peaks = {p["name"]: p["peak"]["rss"] for p in Run(OLD[0]).programs if p["peak"]}
        limit = peaks["Worker_1"]
        tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"rss(Worker_*)>{limit}", "--fail-if",
             f"peak(Worker_1)>{limit}")
        tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"rss(Worker_*)>={limit}", status=3)
        tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"peak(Worker_1)>={limit}", status=3)

    def test_growth_is_that_of_the_summary(self):
        figures = Run(OLD[0]).figures
        grown = max(v["inclusive"] for k, v in figures.items() if k[0] == "function" and k[3] == "Worker.build_tables")
        tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"growth(Worker.build_tables)>{grown}")
        run = tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", f"growth(*.build_tables)>={grown}", status=3)
        self.assertIn("Worker.build_tables: +", run.stderr)

    def test_the_log_is_the_same_with_a_gate_or_without(self):
        for form in "text", "jsonl", "seed":
            plain = tool("--replay", OLD[0], "--format", form).stdout
            gated = tool("--replay", OLD[0], "--format", form, "--fail-if", "*>1G", "--fail-if", "rss(*)>64G")
            self.assertEqual(gated.stdout, plain)

    def test_several_conditions_are_judged_each_by_itself(self):
        run = tool("--replay", OLD[0], "-o", "/dev/null", "--fail-if", "*>1G", "--fail-if", "typo>1M", "--fail-if",
                   "lost()>=0", status=3)
        self.assertNotIn("'*>1G'", run.stderr)
        self.assertIn("'typo>1M' can never hold", run.stderr)
        self.assertIn("'lost()>=0' holds", run.stderr)


# --- bad input ---------------------------------------------------------------------------------------------


def newer(source, to):
    data = bytearray(source.read_bytes())
    struct.pack_into("<I", data, 8, 77)
    to.write_bytes(data)
    return to


class BadInput(unittest.TestCase):
    def test_a_condition_that_does_not_parse_shows_where(self):
        for text, at, why in (
            ("rss(Worker_*)>lots", 14, "a size is missing here"),
            ("after load", 10, "an operator is missing here"),
            ("权重>5M and", 6, "nothing may follow the value"),
        ):
            run = tool("--replay", OLD[0], "--fail-if", text, status=2)
            self.assertIn(why, run.stderr)
            shown, caret = run.stderr.splitlines()[1:3]
            self.assertEqual(shown, f"ramtrace-bpf: error:   {text}")
            columns = sum(2 if "\u2e80" <= c <= "\u9fff" else 1 for c in text[:at])
            self.assertEqual(caret, "ramtrace-bpf: error:   " + " " * columns + "^")
        run = diff(OLD[0], NEW[0], "--fail-if", "x>5%", status=2)
        self.assertIn("a percentage is of what A has: +5% or -5%", run.stderr)
        run = tool("--replay", OLD[0], "--fail-if", "x>\033[31m", status=2)
        self.assertNotIn("\033", run.stderr)

    def test_tapes_of_different_programs_have_nothing_in_common(self):
        with scratch() as d:
            run = diff(TAPES / "redis.tape", SORT4, "-o", d / "x", status=1)
            self.assertIn("the sides have no process in common. A has redis-", run.stderr)
            self.assertIn("B has postgres: ", run.stderr)
            self.assertFalse((d / "x").exists())

    def test_tapes_of_different_versions_are_compared_and_it_is_told(self):
        text = diff(TAPES / "demo.tape", OLD[0]).stdout
        self.assertIn("The sides are not alike:\n", text)
        self.assertRegex(text, r"ramtrace-bpf: \S+ \| \S+\n")
        self.assertIn("after building tables", text)
        self.assertIn("not recorded with --growth: " + str(TAPES / "demo.tape"), text)

    def test_a_tape_of_a_newer_version_is_refused(self):
        with scratch() as d:
            run = diff(OLD[0], newer(OLD[0], d / "new.tape"), status=1)
        self.assertIn("cannot compare", run.stderr)
        self.assertIn("it was made by a newer version of ramtrace-bpf. Use that one", run.stderr)
        self.assertEqual(run.stdout, "")

    def test_a_tape_that_breaks_off_or_is_damaged_is_compared_as_far_as_it_goes(self):
        data = OLD[0].read_bytes()
        with scratch() as d:
            cut, bad = d / "cut.tape", d / "bad.tape"
            cut.write_bytes(data[:-300])
            bad.write_bytes(data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:])
            for tape, why in (cut, "breaks off after"), (bad, "is damaged after"):
                run = diff(OLD[1], tape, status=1)
                self.assertIn(why, run.stderr)
                self.assertIn("All up to there was compared", run.stderr)
                self.assertIn("Processes (M):", run.stdout)

    def test_what_is_no_tape_or_not_there_is_told(self):
        for path, why in (ROOT / "README.md", "it is not a tape"), (ROOT / "none", "No such file"):
            self.assertIn(why, diff(OLD[0], path, status=1).stderr)

    def test_an_unusable_command_line_is_told_with_what_would_be_usable(self):
        for args, why in (
            ((), "two tapes, or more, are compared: diff A.tape B.tape"),
            ((OLD[0],), "two tapes, or more"),
            ((OLD[0], "vs"), "two tapes, or more"),
            (("vs", OLD[0]), '"vs" stands once, between'),
            ((OLD[0], "vs", OLD[1], "vs", OLD[2]), '"vs" stands once'),
            ((*OLD,), 'which of these 3 tapes are A, and which B? Put "vs" between them'),
            ((OLD[0], NEW[0], "--format", "seed"), "it takes text or jsonl"),
            ((OLD[0], NEW[0], "--min-delta", "some"), "not a size"),
            ((OLD[0], NEW[0], "--pid", "1"), "unrecognized option"),
        ):
            self.assertIn(why, diff(*args, status=2).stderr, args)
        self.assertIn("it takes rows, summary or diff", tool("--json-schema=xml", status=2).stderr)
        self.assertIn("--list makes none", tool("--list", "--pid", "1", "--fail-if", "x>1", status=2).stderr)

    def test_a_tape_is_not_written_over_and_a_full_disk_is_told(self):
        with scratch() as d:
            copy = d / "a.tape"
            shutil.copy(OLD[0], copy)
            for option in "-o", "--html":
                self.assertIn("it is one of the tapes", diff(copy, NEW[0], option, copy, status=1).stderr)
            self.assertEqual(copy.read_bytes(), OLD[0].read_bytes())
            self.assertIn("its directory does not exist", diff(copy, NEW[0], "-o", d / "no" / "x", status=1).stderr)
        self.assertIn("cannot write the comparison /dev/full: No space left",
                      diff(OLD[0], NEW[0], "-o", "/dev/full", status=1).stderr)

    def test_a_tape_called_vs_can_be_named(self):
        with scratch() as d:
            shutil.copy(OLD[0], d / "vs")
            self.assertIn("There is no difference.", diff(d / "vs", "vs", OLD[0]).stdout)


if __name__ == "__main__":
    unittest.main()
