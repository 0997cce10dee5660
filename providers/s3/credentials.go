package s3

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"sallyport/config/secret"
)

// rereadAfter is how old the credentials that are read from files may get, so that rotated ones come into use without a restart.
const rereadAfter = time.Minute

// fileCredentials reads the credentials from their files, again once in a while.
type fileCredentials struct {
	access, secret, token string // paths; token may be ""
	log                   *slog.Logger
	now                   func() time.Time

	mu   sync.Mutex
	last credentials.Value
	read time.Time // when last was read or tried
}

// newCredentials returns the credentials of config: from its files or else the environment. It fails when there are none.
func newCredentials(config *Config, log *slog.Logger, now func() time.Time) (*credentials.Credentials, error) {
	if config.AccessKeyFile == "" {
		v := credentials.Value{
			AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
			SignerType: credentials.SignatureV4,
		}
		if v.AccessKeyID == "" || v.SecretAccessKey == "" {
			return nil, errors.New("no credentials: set access_key_file and secret_key_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
		}
		return credentials.NewStaticV4(v.AccessKeyID, v.SecretAccessKey, v.SessionToken), nil
	}
	p := &fileCredentials{access: config.AccessKeyFile, secret: config.SecretKeyFile, token: config.SessionTokenFile, log: log, now: now}
	if _, err := p.Retrieve(); err != nil {
		return nil, err
	}
	return credentials.New(p), nil
}

// RetrieveWithCredContext implements credentials.Provider.
func (p *fileCredentials) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return p.Retrieve()
}

// Retrieve implements credentials.Provider. Once there are credentials, files that cannot be read leave them as they are: a rotation is not atomic.
func (p *fileCredentials) Retrieve() (credentials.Value, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, err := p.readFiles()
	p.read = p.now()
	if err != nil && p.last.AccessKeyID == "" {
		return credentials.Value{}, err
	}
	if err != nil {
		p.log.Warn("s3: credentials could not be read again, the former ones stay in use", "error", err)
		return p.last, nil
	}
	p.last = v
	return v, nil
}

// IsExpired implements credentials.Provider.
func (p *fileCredentials) IsExpired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Sub(p.read) >= rereadAfter
}

func (p *fileCredentials) readFiles() (credentials.Value, error) {
	v := credentials.Value{SignerType: credentials.SignatureV4}
	for _, f := range []struct {
		field, path string
		into        *string
	}{{"access_key_file", p.access, &v.AccessKeyID}, {"secret_key_file", p.secret, &v.SecretAccessKey}, {"session_token_file", p.token, &v.SessionToken}} {
		if f.path == "" {
			continue
		}
		text, warning, err := secret.ReadFile(f.path)
		if err != nil {
			return v, fmt.Errorf("%s: %w", f.field, err)
		}
		if warning != "" && p.last.AccessKeyID == "" && f.field != "access_key_file" {
			p.log.Warn("s3: credentials file", "field", f.field, "warning", warning)
		}
		*f.into = text.Text().Reveal()
	}
	return v, nil
}
