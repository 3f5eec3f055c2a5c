# shellcheck shell=bash
# Reverse proxies in front of a service, each by an address and by a socket, with the files of packaging/ as they are but for
# names, paths and ports.

proxy=''        # the process in use,
proxy_log=''    # and all that it says

proxies_all() {
    local name place
    # A certificate for localhost that clients are told to trust.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
        -keyout "$work/proxy.key" -out "$work/proxy.pem" 2>/dev/null
    for name in nginx caddy; do
        for place in unix tcp; do
            part=$name
            proxy_starts "$name" "$place"
            proxy_carries
            proxy_tells_the_address
            proxy_keeps_secrets "$name"
        done
    done
    part=nginx
    proxy_passes_tls
}

# free_port: one of localhost that was free a moment ago. Proxy and service have to know it both before they start.
free_port() { "$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# proxy_starts NAME unix|tcp: a service, and this proxy in front of it. The service counts few new user agents of an address.
proxy_starts() {
    local port behind trusted listen
    port=$(free_port)
    if [[ $2 == unix ]]; then
        behind=$work/$1.sock
        listen=unix:$behind
        trusted=unix
    else
        behind=127.0.0.1:$(free_port)
        listen=$behind
        trusted=127.0.0.1
    fi
    serve --behind-proxy --public-url "https://localhost:$port" --listen "$listen" --trusted-proxy "$trusted" \
        --address-agent-rate 1 --address-agent-burst 40
    ca=$work/proxy.pem
    proxy_runs "$1"_runs "$port" "$behind"
    say "$("$1"_version), in front of a service at ${listen%%:*} with --trusted-proxy $trusted"
}

# proxy_runs COMMAND PORT BEHIND: runs it, and waits until the service is reached.
proxy_runs() {
    local folder
    folder=$(mktemp -d "$work/proxy.XXXX")
    proxy_log=$folder/log
    "$1" "$folder" "${@:2}" >"$proxy_log" 2>&1 &
    proxy=$!
    # The service stays the last.
    services=("$proxy" "${services[@]}")
    until curl --silent --cacert "$ca" --output /dev/null "$origin/readyz"; do
        kill -0 "$proxy" || { cat "$proxy_log" >&2 && fail "the proxy ended"; }
    done
}

proxy_stops() {
    kill -KILL "$proxy"
    wait "$proxy" 2>/dev/null || true
    services=("${services[@]:1}")
}

nginx_version() { nginx -v 2>&1 | sed 's/.*version: //'; }
caddy_version() { echo "caddy $(caddy version)"; }

# nginx_runs FOLDER PORT BEHIND: what Debian's nginx.conf has around such a file, in one process. Everything that it logs comes
# to $proxy_log.
nginx_runs() {
    local server=$3
    [[ $3 != /* ]] || server=unix:$3
    sed -e "s|listen 443 |listen 127.0.0.1:$2 |" -e "s|push.example.org;|localhost;|" -e "s|unix:/run/webpush/push.sock|$server|" \
        -e "s|/etc/.*/fullchain.pem|$work/proxy.pem|" -e "s|/etc/.*/privkey.pem|$work/proxy.key|" \
        "$here/../packaging/nginx.conf" >"$1/webpush.conf"
    cat >"$1/nginx.conf" <<END
daemon off;
master_process off;
pid $1/pid;
error_log stderr;
events { worker_connections 768; }
http {
    access_log /dev/stdout;
    client_body_temp_path $1/body;
    proxy_temp_path $1/proxy;
    fastcgi_temp_path $1/fastcgi;
    uwsgi_temp_path $1/uwsgi;
    scgi_temp_path $1/scgi;
    include $1/webpush.conf;
}
END
    exec nginx -p "$1" -e stderr -c "$1/nginx.conf"
}

# caddy_runs FOLDER PORT BEHIND: with a certificate that was not asked for at an authority.
caddy_runs() {
    local upstream=$3
    [[ $3 != /* ]] || upstream=unix/$3
    sed -e "s|^{|{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1|" \
        -e "s|^push.example.org {|https://localhost:$2 {\n\ttls $work/proxy.pem $work/proxy.key|" \
        -e "s|unix//run/webpush/push.sock|$upstream|" "$here/../packaging/Caddyfile" >"$1/Caddyfile"
    HOME=$1 XDG_DATA_HOME=$1 XDG_CONFIG_HOME=$1 exec caddy run --adapter caddyfile --config "$1/Caddyfile"
}

# nginx_passes FOLDER PORT BEHIND: connections with their TLS, as they are.
nginx_passes() {
    cat >"$1/nginx.conf" <<END
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid $1/pid;
error_log stderr;
events { }
stream {
    server {
        listen 127.0.0.1:$2;
        proxy_pass $3;
        proxy_timeout 35m;
    }
}
END
    exec nginx -p "$1" -e stderr -c "$1/nginx.conf"
}

# doctor EXIT_CODE: walks through the proxy, and ends with this. What it says is in $work/walked.
doctor() {
    local end=0
    "$webpush" doctor "$origin" --ca "$ca" --json >"$work/walked" 2>/dev/null || end=$?
    equal "exit code of webpush doctor" "$1" "$end"
}

# hop NAME: how it came out.
hop() { sed -n "s/.*\"hop\":\"$1\".*\"state\":\"\([a-z]*\)\".*/\1/p" "$work/walked"; }

proxy_carries() {
    local http name size
    doctor 0
    for name in connect health subscribe send 'event stream' acknowledge receipts unsubscribe \
        WebSocket register notification reconnect unregister; do
        equal "hop <$name> of webpush doctor" ok "$(hop "$name")"
    done
    say "webpush doctor: messages come at once by event stream and by WebSocket; the same user agent reconnects; receipts come"
    grep -q 'does not offer it (RFC 8441)' "$work/walked" || fail "WebSockets by HTTP/2? <$(cat "$work/walked")>"
    say "WebSockets by HTTP/1.1 only: SETTINGS do not offer extended CONNECT (RFC 8441)"
    equal "hop <server push> of webpush doctor" warning "$(hop 'server push')"
    subscribe http2
    request http2 GET "$subscription" --max-time 5
    say_refused 406 'RFC 8030 §6' "monitoring by server push" "$subscription"
    proxy_is_listened_through
    curl_sends
    curl_acknowledges
    curl_streams
    for http in http2 http1.1; do
        for size in 4096 4097 16384; do
            octets "$size" >"$work/sized"
            post "$http" "$work/sized"
            ((size > 4096)) || { accepted 201 && continue; }
            refused 413 'RFC 8030 §7.2' "$size octets"
        done
        say "4096 octets by HTTP/$version -> 201, 4097 and 16384 -> 413 of the service ($problem)"
    done
    octets 1000000 >"$work/sized"
    insist post http1.1 "$work/sized"
    equal "status of 1000000 octets" 413 "$status"
    say "1000000 octets by HTTP/$version -> 413 of the proxy, $attempts times"
    curl_unsubscribes
}

# Our own user agent takes the event stream where there is no server push.
proxy_is_listened_through() {
    local listening
    rm -f "$work/me.json" "$work/me.state"
    # With a state it keeps its subscription, which a proxy could let end before the message is acknowledged.
    timeout 60 "$webpush" listen --url "$origin" --ca "$ca" --subscription-out "$work/me.json" --state "$work/me.state" \
        --count 1 --json >"$work/heard" 2>/dev/null &
    listening=$!
    until [[ -s $work/me.json ]]; do kill -0 "$listening" || fail "webpush listen ended"; done
    "$webpush" send --to "$work/me.json" --ca "$ca" --wait-receipt 30 "through $part" >/dev/null || fail "webpush send: $?"
    wait "$listening" || fail "webpush listen: $?"
    matches "what webpush listen heard" "\"message\":\"through $part\"" "$(cat "$work/heard")"
    say "webpush listen falls back to the event stream, hears webpush send, and its receipt comes"
}

# Of two clients one asks for too much, whatever it writes into the fields that name it; the other does not feel it.
proxy_tells_the_address() {
    local number from=(--interface 127.0.0.2)
    for ((number = 0; number < 300; number++)); do
        request http2 POST "$origin/subscribe" "${from[@]}" --header "X-Forwarded-For: 192.0.2.$((number % 250))" \
            --header "Forwarded: for=192.0.2.$((number % 250))"
        [[ $status == 201 ]] || break
    done
    equal "status of many subscribes from one address" 429 "$status"
    matches "who asks too much" '"exceeded_by": *"address"' "$(cat "$work/body")"
    request http2 POST "$origin/subscribe" --interface 127.0.0.3
    equal "status of a subscribe from another address" 201 "$status"
    say "subscribe number $((number + 1)) from 127.0.0.2 -> 429 address, whatever Forwarded and X-Forwarded-For say; from 127.0.0.3 -> 201"
}

# proxy_keeps_secrets NAME: nothing that it wrote of all this holds a URL, nor what it says of a service that is not there.
proxy_keeps_secrets() {
    local number told
    stop
    part=$1
    for number in 1 2 3; do
        request http2 GET "$subscription_set"
        equal "status of a service that is not there" 502 "$status"
    done
    doctor 1
    say "502 while the service is away; webpush doctor says so: $(sed -n '$s/.*"said":"\([^"]*\)".*/\1/p' "$work/walked")"
    proxy_stops
    told=$(grep -cE '[A-Za-z0-9_-]{60,}' "$proxy_log") || true
    equal "lines of the proxy's log with a capability in them (G6)" 0 "$told"
    say "what it logged, $(wc -l <"$proxy_log") lines, holds no capability URL"
}

# What takes no HTTP apart loses nothing of it.
proxy_passes_tls() {
    local port
    port=$(free_port)
    start --public-url "https://localhost:$port"
    proxy_runs nginx_passes "$port" "$(sed -n 's/^listening on \([0-9.:]*\),.*/\1/p' <<<"$ready")"
    doctor 0
    equal "hops of webpush doctor that are not ok" 0 "$(grep -vc '"state":"ok"' "$work/walked")"
    say "TLS passed on as it is (stream): every hop of webpush doctor is ok, server push and RFC 8441 too"
    grep -q 'HTTP/2 offers it too (RFC 8441)' "$work/walked" || fail "WebSockets by HTTP/2? <$(cat "$work/walked")>"
    stop
    part=nginx
    proxy_stops
}
