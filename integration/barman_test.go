package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBarmanCloud backs a running PostgreSQL up with Barman's programs for S3, and restores it: what was committed after the backup comes back
// from the archived log.
func TestBarmanCloud(t *testing.T) { onEachStorage(t, false, testBarmanCloud) }

func testBarmanCloud(t *testing.T, s *server) {
	installed(t, "barman-cloud-backup", "barman-cli-cloud")
	makeBucket(t, &s.gateway, "barman-bucket")
	p := newPostgres(t)
	p.env = append(p.env, "AWS_ACCESS_KEY_ID="+s.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.SecretKey, "AWS_DEFAULT_REGION="+s.Region)
	pasted := func(start string) string {
		t.Helper()
		return strings.TrimSpace(s.pasted(t, "Barman", start, "BUCKET/PATH", "barman-bucket/cluster", "SERVER", "main"))
	}
	// The command as it is pasted, with more options and arguments, and under the names of its sisters.
	do := func(command, options string, more ...string) string {
		t.Helper()
		name, rest, _ := strings.Cut(pasted("barman-cloud-backup "), " ")
		words := append([]string{strings.Replace(name, "backup", command, 1)}, strings.Fields(options+" "+rest)...)
		return p.run(append(words, more...)...)
	}
	p.configure(pasted(""))
	p.start()
	do("check-wal-archive", "")
	p.sql("create table kept as select n, md5(n::text) as word from generate_series(1, 200000) n")
	backup := func() {
		t.Helper()
		do("backup", "--immediate-checkpoint --host "+p.dir+" --user postgres")
	}
	backup()
	if s.count(t, 0, "CompleteMultipartUpload") == 0 {
		t.Error("the backup did not come in parts")
	}
	p.sql("insert into kept select n, md5(n::text) from generate_series(200001, 240000) n")
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
	ids := regexp.MustCompile(`(?m)^\d{8}T\d{6}`)
	first := ids.FindAllString(do("backup-list", ""), -1)
	if len(first) != 1 {
		t.Fatalf("backups: %q", first)
	}
	do("restore", "", first[0], p.data())
	p.configure(pasted("restore_command"))
	p.run(installed(t, "touch", "coreutils"), filepath.Join(p.data(), "recovery.signal"))
	p.start()
	eventually(t, patience, "the restored cluster leaves recovery", func() bool { return p.sql("select pg_is_in_recovery()") == "f" })
	if got := p.sql(question); got != want {
		t.Errorf("restored: %s, want %s", got, want)
	}

	backup()
	mark := s.mark()
	do("backup-delete", "--backup-id "+first[0])
	if kept := ids.FindAllString(do("backup-list", ""), -1); len(kept) != 1 || kept[0] == first[0] {
		t.Errorf("%q are there after %s was deleted", kept, first[0])
	}
	if s.count(t, mark, "DeleteObjects") == 0 {
		t.Error("nothing was removed")
	}
	p.stop()
	s.noServerErrors(t)
}
