package config_test

import (
	"fmt"

	"sallyport/config"
)

// Everything that is wrong comes back at once, with lines.
func ExampleParse() {
	_, err := config.Parse([]byte(`state_dir: /var/lib/sallyport
listen: {address: "0.0.0.0:9710"}
regoin: us-east-1
providers: {nas: {type: local, path: /srv/backup}}
vaults: [{name: home, provider: ans, buckets: ["*"]}]
credentials: [{access_key: AKIDEXAMPLE, secret_key_file: secret, allow: [{buckets: ["*"], ops: [read]}]}]
`), nil)
	fmt.Println(err)
	// Output:
	// line 2: listen.address: others can reach this address: give listen.tls a certificate, or listen on 127.0.0.1, or set listen.allow_plain_http behind a proxy that does TLS
	// line 3: regoin: unknown field; docs/configuration.md lists those there are
	// line 5: vaults[0].provider: "ans" is not among the providers
}
