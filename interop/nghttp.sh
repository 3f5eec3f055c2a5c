# shellcheck shell=bash
# nghttp (the client of nghttp2): a user agent that takes pushes over TLS.

nghttp_all() {
    part=nghttp
    nghttp_verifies
    nghttp_receives "$subscription" "its subscription" --window-bits=16
    nghttp_receives "$subscription_set" "its set" --window-bits=8
    nghttp_receives "$subscription_set" "its set" --max-concurrent-streams=1
    nghttp_empty
    nghttp_refuses_push
    nghttp_gone
}

# monitor URL OPTIONS..: what is stored now. Leaves the frames in $work/frames.
monitor() {
    SSL_CERT_FILE=$ca timeout 60 nghttp --verbose --null-out --header 'prefer: wait=0' "${@:2}" "$1" >"$work/frames" 2>&1 ||
        fail "nghttp: exit code $?, $(cat "$work/frames")"
    ! grep -E '^\[(ERROR|WARNING)\]|Some requests were not processed|INVALID|PROTOCOL_ERROR|RST_STREAM' "$work/frames" >&2 ||
        fail "nghttp complains, see above"
    # Field lines come before the frame that they are of; in a promise they count as the monitor's.
    sed -E 's/^\[ *[0-9.]+\] //' "$work/frames" | awk '
        /^recv \(stream_id=[0-9]+\) / {
            sub(/^recv \(stream_id=/, ""); stream = $0; sub(/\).*/, "", stream); sub(/^[0-9]+\) /, "")
            lines[++count] = $0; next
        }
        /^recv PUSH_PROMISE/ { promise = 1 }
        promise && /promised_stream_id=/ {
            sub(/.*promised_stream_id=/, ""); sub(/\).*/, "")
            for (i = 1; i <= count; i++) print "promised", $0, lines[i]
            promise = count = 0
        }
        /^recv HEADERS/ {
            for (i = 1; i <= count; i++) print (stream % 2 ? "answered" : "pushed"), stream, lines[i]
            count = 0
        }' >"$work/fields"
}

# values KIND NAME: of all streams, in the order in which they came.
values() { sed -nE "s/^$1 [0-9]+ $2: //p" "$work/fields"; }

# nghttp only warns of a certificate that it does not trust, so that it does warn is shown first.
nghttp_verifies() {
    subscribe http2
    local warning='Certificate verification failed' plain
    plain=$(timeout 60 nghttp --header 'prefer: wait=0' "$subscription" 2>&1) || fail "nghttp: exit code $?, $plain"
    matches "nghttp without our CA" "$warning" "$plain"
    monitor "$subscription"
    say "trusts the certificate with our CA, and warns without it"
}

# nghttp_receives URL WHAT OPTIONS..: stores messages of several sizes, and lets nghttp have them.
nghttp_receives() {
    local size url paths='' sent="$work/sent" got="$work/got" links
    : >"$sent"
    for size in 4096 0 1 517 4096; do
        octets "$size" >"$work/one"
        post http2 "$work/one" --header 'Urgency: high' --header "Topic: of-$RANDOM-$RANDOM"
        accepted 201
        paths+=$(path "$message")$'\n'
        messages+=("$message")
        cat "$work/one" >>"$sent"
    done
    monitor "$1" "${@:3}"
    equal "paths promised and Locations" "${paths%$'\n'}" "$(values promised :path)"
    equal "methods promised" GET "$(values promised :method | sort -u)"
    equal "scheme and authority promised" "$origin" "$(values promised :scheme | sort -u)://$(values promised :authority | sort -u)"
    for links in promised pushed; do
        equal "links $links" 5 "$(values "$links" link | wc -l)"
        equal "target of the links $links" "$push" "$(link_to '' "$(values "$links" link | sort -u)")"
    done
    equal "Content-Encoding pushed" aes128gcm "$(values pushed content-encoding | sort -u)"
    equal "urgencies and topics passed on" '' "$(values '(promised|pushed)' '(urgency|topic)')"
    equal "status of the monitor" 200 "$(values answered :status)"
    # Nothing was acknowledged, so it all comes again; this time for its octets, which nghttp writes as they come: one
    # stream at a time, so that they are in order.
    SSL_CERT_FILE=$ca timeout 60 nghttp --header 'prefer: wait=0' "${@:3}" --max-concurrent-streams=1 "$1" >"$got"
    same_octets "bodies pushed" "$sent" "$got"
    say "5 messages of 0 to 4096 octets pushed to $2 (${*:3}): paths, links and octets are those of the sender"
    for url in "${messages[@]}"; do
        request http2 DELETE "$url"
        equal "status of an acknowledgement" 204 "$status"
    done
    messages=()
}

nghttp_empty() {
    monitor "$subscription"
    equal "status of a monitor when all is acknowledged" 204 "$(values answered :status)"
    equal "promises" '' "$(values promised :path)"
    say "nothing left -> 204 and no promise"
}

nghttp_refuses_push() {
    post http2 "$work/one"
    accepted 201
    monitor "$subscription" --no-push
    equal "status of a monitor with SETTINGS_ENABLE_PUSH 0" 406 "$(values answered :status)"
    equal "promises" '' "$(values promised :path)"
    say "a message waits, but SETTINGS_ENABLE_PUSH is 0 -> 406 and no promise"
}

nghttp_gone() {
    request http2 DELETE "$subscription"
    equal "status of ending a subscription" 204 "$status"
    monitor "$subscription"
    equal "status of monitoring a subscription that ended" 404 "$(values answered :status)"
    say "the subscription ended -> 404"
}

# Without TLS, HTTP/2 is known beforehand.
nghttp_cleartext() {
    part='nghttp, cleartext'
    ca=''
    octets 100 >"$work/one"
    subscribe http2-prior-knowledge
    post http2-prior-knowledge "$work/one"
    accepted 201
    monitor "$subscription"
    equal "path promised" "$(path "$message")" "$(values promised :path)"
    say "subscribed and sent by curl, pushed to nghttp with prior knowledge of HTTP/2"
}
