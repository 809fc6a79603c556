# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as Markdown, and as a picture by gnuplot."""
import os
import shutil
import subprocess


def figure(value, unit):
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def ratio(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def spread(row):
    if len(row["samples"]) < 2:
        return ""
    if "ratio" in row:
        return f"{ratio(row['low'])} to {ratio(row['high'])}"
    low, high = min(row["samples"]), max(row["samples"])
    return f"{figure(low, row['unit'])} to {figure(high, row['unit'])}" if low != high else ""


def line(row):
    target = row.get("target", "")
    if target:
        target += " met" if row["met"] else " **not met**"
    if "absent" in row:
        return f"| {row['what']} | absent: {row['absent'].replace('|', '/')} | | | {target} |"
    return (f"| {row['what']} | {figure(row['median'], row['unit'])} | "
            f"{ratio(row['ratio']) if 'ratio' in row else ''} | {spread(row)} | {target} |")


def markdown(results):
    head = results["machine"]
    out = [f"`{results['command']}` of {results['version']} on kernel {head['kernel']}, "
           f"{head['cpus']} CPUs ({head['model']}), Python {head['python']}, {head['date']}: medians of "
           f"up to {results['rounds']} interleaved rounds, with the lowest and the highest.", ""]
    for table in results["tables"]:
        of = f"ratio to {table['base']}" if "base" in table else ""
        out += [f"| {table['title']} | median | {of} | spread | target |", "|---|---|---|---|---|"]
        out += [line(row) for row in table["rows"]] + [""]
    return "\n".join(out)


def panel(number, table, rows):
    names = ", ".join(f"\"{row['what']}\" {-i}" for i, row in enumerate(rows))
    base = table["base"].replace('"', "'")
    values = [[max(row[key], .05) for key in ("ratio", "low", "high")] for row in rows]
    data = "\n".join(f"{mid} {-i} {low} {high}" for i, (mid, low, high) in enumerate(values))
    targets = [(i, row["target"].split()[1]) for i, row in enumerate(rows)
               if "target" in row and not row["target"].endswith("ns")]
    marks = "".join(f"set arrow from {t},{-i - .45} to {t},{-i + .45} nohead lw 2 "
                    "lc rgb '#c03030'\n" for i, t in targets)
    return (f"$data{number} << EOD\n{data}\nEOD\nset title \"{table['title']}: ratio to {base}\"\n"
            f"unset arrow\n{marks}set ytics ({names})\nset yrange [{-len(rows) + .4}:.6]\n"
            f"plot $data{number} using (.05):2:(.05):1:($2-.35):($2+.35) with boxxyerror "
            f"fs solid .5 lc rgb '#4070a0', '' using 1:2:3:4 with xerrorbars pt 7 ps .3 lc black\n")


def plot(results, path):
    """True, or why there is none."""
    tables = [(t, [r for r in t["rows"] if "ratio" in r]) for t in results["tables"] if "base" in t]
    tables = [(t, rows) for t, rows in tables if rows]
    if not tables:
        return "nothing to compare"
    if not shutil.which("gnuplot"):
        return "gnuplot is not installed"
    script = (f"set terminal svg noenhanced size 1000,{260 * len(tables)} "
              "font 'sans,11' background 'white'\n"
              f"set output '{path}'\nunset key\nset logscale x\nset grid xtics\nset xrange [.5:*]\n"
              "set lmargin 50\n"
              f"set multiplot layout {len(tables)},1\n")
    script += "".join(panel(i, t, rows) for i, (t, rows) in enumerate(tables)) + "unset multiplot\n"
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True)
    if done.returncode or not os.path.exists(path):
        return f"gnuplot: {done.stderr.strip()[-200:]}"
    return True
