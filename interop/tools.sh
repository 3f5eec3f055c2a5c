# shellcheck shell=bash
# What the run needs: found, or installed from Debian and the registries of Node, Python and Rust; and the service, built.

# tools: curl, nghttp, Node 18 or later, Chromium, Firefox, nginx, Caddy, a Python, and what lock files name. Sets $python.
tools() {
    need curl curl
    need nghttp nghttp2-client
    need chromium chromium
    need chromedriver chromium-driver
    need firefox-esr firefox-esr
    need certutil libnss3-tools
    need nginx nginx
    [[ -e /usr/lib/nginx/modules/ngx_stream_module.so ]] || install libnginx-mod-stream
    need caddy caddy
    need openssl openssl
    need pkg-config pkg-config
    pkg-config --exists openssl || install libssl-dev
    node_is_new || install nodejs
    need npm npm
    node_is_new || fail "Node 18 or later is needed, there is $(node --version)"
    python=$here/target/python/bin/python
    if ! "$python" -c 'import h2' 2>/dev/null; then
        # Debian's python3 may come without what makes environments.
        python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
        python3 -m venv --clear "$here/target/python"
    fi
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$here/python/requirements.txt"
    [[ $here/node/node_modules/.package-lock.json -nt $here/node/package-lock.json ]] ||
        (cd "$here/node" && npm ci --silent --no-audit --no-fund --ignore-scripts) || fail "npm ci: exit code $?"
    say "$(curl --version | sed -n '1s/ (.*//p'), $(nghttp --version), $(chromedriver --version | cut -d' ' -f1-2), node $(node --version)," \
        "python $("$python" -c 'import h2, sys; print(sys.version.split()[0], "with h2", h2.__version__)')"
}

# need PROGRAM PACKAGE
need() { command -v "$1" >/dev/null || install "$2"; }

install() {
    local root=()
    ((EUID == 0)) || root=(sudo)
    say "installs $*"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$@" >/dev/null
    hash -r
}

node_is_new() { [[ $(node --version 2>/dev/null) =~ ^v([0-9]+) ]] && ((BASH_REMATCH[1] >= 18)); }

# build: senders in Rust; the service, unless $WEBPUSH names one. Sets $senders, $aesgcm and $webpush.
build() {
    (cd "$here/rust" && CARGO_TARGET_DIR=$here/target/rust cargo build --quiet --locked)
    senders=$here/target/rust/debug/interop-senders
    aesgcm=$here/target/rust/debug/interop-aesgcm
    webpush=${WEBPUSH-}
    [[ -z $webpush ]] || return 0
    (cd "$here/.." && cargo build --release --locked --bin webpush)
    webpush=$(cd "$here/.." && realpath "${CARGO_TARGET_DIR:-target}")/release/webpush
}
