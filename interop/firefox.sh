# shellcheck shell=bash
# Firefox, whose push service is ours: by wss with our certificate authority, and by ws; on both runtimes.

firefox_all() {
    part=firefox
    local runtime carrier
    for runtime in tokio smol; do
        for carrier in tls cleartext; do
            # What senders say of refusals that are expected goes to standard error.
            timeout 240 node "$here/firefox/push.mjs" "$webpush" "$runtime" "$carrier" "$python" "$work/key.json" "$work" \
                2>"$work/firefox.errors" || { cat "$work/firefox.errors" >&2 && fail "exit code $?, see above"; }
        done
    done
}
