package cli

import (
	"net"
	"strings"
	"text/template"
)

// readyLines is what quickstart prints: every block works as it stands when pasted into a POSIX shell, alone
// too: with HTTPS each says which certificate authority to trust. Each is run by a test with the real program.
const readyLines = `
Serving {{.Endpoint}} from {{.Dir}}. Stop with Ctrl-C; the same command serves the same data again.
{{- if .Elsewhere}}
Other machines reach it there too, or under another address or the name of this machine; each needs a copy of {{.CACert}}.
{{- end}}

# mc
{{- if .CACert}}
export SSL_CERT_FILE={{quote .CACert}}
{{- end}}
export MC_HOST_sallyport='{{.HostWithKeys}}'
mc mb --ignore-existing sallyport/backup

# aws cli
{{- if .CACert}}
export AWS_CA_BUNDLE={{quote .CACert}}
{{- end}}
export AWS_ACCESS_KEY_ID='{{.AccessKey}}' AWS_SECRET_ACCESS_KEY='{{.SecretKey}}' AWS_DEFAULT_REGION='{{.Region}}'
aws --endpoint-url {{.Endpoint}} s3 ls

# rclone
{{- if .CACert}}
export SSL_CERT_FILE={{quote .CACert}}
{{- end}}
export RCLONE_CONFIG_SALLYPORT_TYPE=s3 RCLONE_CONFIG_SALLYPORT_PROVIDER=Other RCLONE_CONFIG_SALLYPORT_ENDPOINT='{{.Endpoint}}'
export RCLONE_CONFIG_SALLYPORT_ACCESS_KEY_ID='{{.AccessKey}}' RCLONE_CONFIG_SALLYPORT_SECRET_ACCESS_KEY='{{.SecretKey}}' RCLONE_CONFIG_SALLYPORT_REGION='{{.Region}}'
rclone mkdir sallyport:backup

# restic (asks for a password of its own)
{{- if .CACert}}
export SSL_CERT_FILE={{quote .CACert}}
{{- end}}
export AWS_ACCESS_KEY_ID='{{.AccessKey}}' AWS_SECRET_ACCESS_KEY='{{.SecretKey}}'
restic -r s3:{{.Endpoint}}/backup/restic init

`

func printReadyLines(stdio *Stdio, r *quickstartResult) error {
	t := template.Must(template.New("ready").Funcs(template.FuncMap{"quote": shellQuote}).Parse(readyLines))
	scheme, host, _ := strings.Cut(r.Endpoint, "://")
	return t.Execute(stdio.Out, struct {
		*quickstartResult
		HostWithKeys string
		Elsewhere    bool
	}{r, scheme + "://" + r.AccessKey + ":" + r.SecretKey + "@" + host, r.CACert != "" && !isLoopback(host)})
}

// shellQuote returns one word of a POSIX shell that is the text, also where it holds a quote.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
