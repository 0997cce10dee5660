package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// postgres is a PostgreSQL cluster with what backs it up. Everything lies below a folder that its user can reach, because PostgreSQL does not
// run as root.
type postgres struct {
	t    *testing.T
	dir  string
	bin  string
	user []string // what runs a command as the user
	env  []string
}

func newPostgres(t *testing.T) *postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		t.Fatalf("PostgreSQL is not there (Debian: apt-get install postgresql): %v", err)
	}
	dir, err := os.MkdirTemp("", "sallyport-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p := &postgres{t: t, dir: dir, bin: filepath.Dir(found[len(found)-1]), env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "TZ=UTC"}}
	if os.Getuid() == 0 {
		(&program{path: installed(t, "chown", "coreutils")}).run(t, "postgres:", dir)
		p.user = []string{installed(t, "setpriv", "util-linux"), "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"}
	}
	p.run(filepath.Join(p.bin, "initdb"), "--no-sync", "--auth=trust", "--username=postgres", p.data())
	return p
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

// file writes a file that the user can read.
func (p *postgres) file(name string, content []byte) string {
	p.t.Helper()
	path := writeFile(p.t, filepath.Join(p.dir, name), content)
	if err := os.Chmod(path, 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *postgres) run(args ...string) string {
	p.t.Helper()
	args = append(append([]string{}, p.user...), args...)
	return (&program{path: args[0], env: p.env, dir: p.dir}).run(p.t, args[1:]...)
}

// configure adds settings to those that a cluster for one test needs.
func (p *postgres) configure(settings string) {
	p.t.Helper()
	conf := filepath.Join(p.data(), "postgresql.conf")
	here := fmt.Sprintf("\nlisten_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\n", p.dir)
	if err := os.WriteFile(conf, append(readFile(p.t, conf), here+settings...), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *postgres) start() {
	p.t.Helper()
	p.run(filepath.Join(p.bin, "pg_ctl"), "--pgdata="+p.data(), "--wait", "--timeout=60", "--log="+filepath.Join(p.dir, "log"), "start")
	p.t.Cleanup(func() {
		// The test's context has ended by now.
		args := append(append([]string{}, p.user...), filepath.Join(p.bin, "pg_ctl"), "--pgdata="+p.data(), "--wait", "--mode=immediate", "stop")
		stop := exec.Command(args[0], args[1:]...)
		stop.Env, stop.Dir = p.env, p.dir
		if said, err := stop.CombinedOutput(); err != nil && p.running() {
			p.t.Errorf("stop PostgreSQL: %v\n%s", err, said)
		}
	})
}

func (p *postgres) running() bool {
	_, err := os.Stat(filepath.Join(p.data(), "postmaster.pid"))
	return err == nil
}

func (p *postgres) stop() {
	p.t.Helper()
	p.run(filepath.Join(p.bin, "pg_ctl"), "--pgdata="+p.data(), "--wait", "--mode=fast", "stop")
}

func (p *postgres) sql(statement string) string {
	p.t.Helper()
	return strings.TrimSpace(p.run(filepath.Join(p.bin, "psql"), "--host="+p.dir, "--username=postgres", "--dbname=postgres", "--no-psqlrc", "--tuples-only", "--no-align", "--command="+statement))
}

// TestPgBackRest backs a running PostgreSQL up and restores it: what was committed after the last backup comes back from the archived log.
func TestPgBackRest(t *testing.T) { onEachStorage(t, true, testPgBackRest) }

func testPgBackRest(t *testing.T, s *server) {
	backrest := installed(t, "pgbackrest", "pgbackrest")
	makeBucket(t, &s.gateway, "postgres-bucket")
	p := newPostgres(t)
	_, port, _ := strings.Cut(s.host(), ":")
	repository := s.pasted(t, "pgBackRest", "", "BUCKET", "postgres-bucket", "s3.example.org", "localhost", "=9710\n", "="+port+"\n",
		"/etc/pgbackrest/ca.pem", p.file("ca.pem", readFile(t, s.CACert)))
	config := p.file("pgbackrest.conf", fmt.Appendf(nil, `[global]
%s
repo1-retention-full=1
repo1-bundle=y
start-fast=y
process-max=2
compress-level=1
log-level-file=off
log-level-console=warn
lock-path=%s
spool-path=%[2]s

[main]
pg1-path=%[3]s
pg1-socket-path=%[2]s
pg1-user=postgres
`, repository, p.dir, p.data()))
	do := func(command ...string) string {
		t.Helper()
		return p.run(append([]string{backrest, "--config=" + config, "--stanza=main"}, command...)...)
	}
	p.configure(fmt.Sprintf("archive_mode = on\narchive_command = '%s --config=%s --stanza=main archive-push %%p'\n", backrest, config))
	p.start()
	do("stanza-create")
	do("check")
	p.sql("create table kept as select n, md5(n::text) as word from generate_series(1, 200000) n")
	do("--type=full", "backup")
	p.sql("insert into kept select n, md5(n::text) from generate_series(200001, 230000) n")
	do("--type=diff", "backup")
	p.sql("insert into kept select n, md5(n::text) from generate_series(230001, 240000) n")
	const question = "select count(*), md5(string_agg(word, ',' order by n)) from kept"
	want := p.sql(question)
	if !strings.HasPrefix(want, "240000|") {
		t.Fatalf("before the loss: %s", want)
	}
	p.sql("select pg_switch_wal()")
	p.stop() // archives the rest

	if err := os.RemoveAll(p.data()); err != nil {
		t.Fatal(err)
	}
	p.run(installed(t, "mkdir", "coreutils"), "-m", "700", p.data())
	do("restore")
	p.start()
	eventually(t, patience, "the restored cluster leaves recovery", func() bool { return p.sql("select pg_is_in_recovery()") == "f" })
	if got := p.sql(question); got != want {
		t.Errorf("restored: %s, want %s", got, want)
	}
	do("--type=full", "backup") // with one to keep, the older one goes
	if out := do("info"); strings.Count(out, "full backup:") != 1 || strings.Contains(out, "diff backup:") {
		t.Errorf("what is kept:\n%s", out)
	}
	do("verify")
	p.stop()
	do("stop")
	do("--force", "stanza-delete")
	if left := s.left(t); len(left) > 0 {
		t.Errorf("%d objects are left after stanza-delete: %q", len(left), left)
	}
	s.noServerErrors(t)
}

// TestLitestream replicates a database of SQLite and restores it.
func TestLitestream(t *testing.T) { onEachStorage(t, false, testLitestream) }

func testLitestream(t *testing.T, s *server) {
	makeBucket(t, &s.gateway, "sqlite-bucket")
	dir := t.TempDir()
	database := filepath.Join(dir, "kept.db")
	config := writeFile(t, filepath.Join(dir, "litestream.yml"), []byte(s.pasted(t, "litestream", "", "/var/lib/app/app.db", database, "BUCKET", "sqlite-bucket")))
	python := &program{path: "/usr/bin/python3", dir: dir, env: s.environ(t)}
	rows := func(database string) string {
		t.Helper()
		return python.run(t, "-c", "import sqlite3,sys;print(sqlite3.connect(sys.argv[1]).execute('select count(*), total(n*length(b)), max(hex(b)) from kept').fetchall())", database)
	}
	c := &program{path: tool(t, "litestream"), dir: dir, env: s.environ(t)}
	for range 3 {
		python.run(t, "-c", `import sqlite3,os,sys
c=sqlite3.connect(sys.argv[1]); c.execute('pragma journal_mode=wal')
c.execute('create table if not exists kept (n integer, b blob)')
c.executemany('insert into kept values (?,?)', [(i, os.urandom(i%900)) for i in range(3000)]); c.commit()`, database)
		c.run(t, "replicate", "-config", config, "-once")
	}
	target := filepath.Join(dir, "restored.db")
	c.run(t, "restore", "-config", config, "-o", target, database)
	if got, want := rows(target), rows(database); got != want || !strings.Contains(want, "9000") {
		t.Errorf("restored %s, want %s", got, want)
	}
	if s.count(t, 0, "PutObject") < 3 {
		t.Errorf("requests: %v", s.requests(t, 0))
	}
	s.noServerErrors(t)
}

// TestLeases sends what litestream's leases and others like them consist of: create unless there, replace what I hold, delete what I hold. MinIO
// cannot delete under a condition; a vault that promises to have one gateway only decides it there.
func TestLeases(t *testing.T) {
	needsPrograms(t)
	for name, open := range map[string]func(t testing.TB) *server{
		"folder": newServer,
		"minio":  func(t testing.TB) *server { return newMinIOServer(t, false, ", single_gateway: true") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			makeBucket(t, &s.gateway, "leases")
			client, bucket, key := sdk(t, &s.gateway), aws.String("leases"), aws.String("db/lock.json")
			write := func(text string, in s3.PutObjectInput) (string, string) {
				in.Bucket, in.Key, in.Body, in.ContentType = bucket, key, strings.NewReader(text), aws.String("application/json")
				out, err := client.PutObject(t.Context(), &in)
				if err != nil {
					return "", code(err)
				}
				return *out.ETag, ""
			}
			if _, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key}); !isNoSuchKey(err) {
				t.Errorf("a lease that nobody has taken: %v", err)
			}
			first, refused := write(`{"owner":"a"}`, s3.PutObjectInput{IfNoneMatch: aws.String("*")})
			if refused != "" {
				t.Fatal(refused)
			}
			if _, refused := write(`{"owner":"b"}`, s3.PutObjectInput{IfNoneMatch: aws.String("*")}); refused != "PreconditionFailed" {
				t.Errorf("a taken lease was taken: %q", refused)
			}
			second, refused := write(`{"owner":"a","again":1}`, s3.PutObjectInput{IfMatch: &first})
			if refused != "" || second == first {
				t.Fatalf("renewed: %q, %s", refused, second)
			}
			if _, refused := write(`{"owner":"b"}`, s3.PutObjectInput{IfMatch: &first}); refused != "PreconditionFailed" {
				t.Errorf("a lease was renewed by who lost it: %q", refused)
			}
			remove := func(etag string) string {
				_, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key, IfMatch: &etag})
				return code(err)
			}
			if refused := remove(first); refused != "PreconditionFailed" {
				t.Errorf("a lease was released by who lost it: %q", refused)
			}
			if refused := remove(second); refused != "" {
				t.Errorf("released: %q", refused)
			}
			if _, refused := write(`{"owner":"b"}`, s3.PutObjectInput{IfNoneMatch: aws.String("*")}); refused != "" {
				t.Errorf("taken after its release: %q", refused)
			}
			s.noServerErrors(t)
		})
	}
}

func isNoSuchKey(err error) bool {
	_, ok := errors.AsType[*types.NoSuchKey](err)
	return ok
}
