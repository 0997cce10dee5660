package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// blocks cuts the ready lines at their comment lines: "# mc" to the next blank line, comment included in the key only.
func blocks(text string) map[string]string {
	found := map[string]string{}
	for block := range strings.SplitSeq(text, "\n\n") {
		if title, lines, ok := strings.Cut(strings.TrimSpace(block), "\n"); ok && strings.HasPrefix(title, "# ") {
			name, _, _ := strings.Cut(strings.TrimPrefix(title, "# "), " ")
			found[strings.TrimSuffix(name, ",")] = lines + "\n"
		}
	}
	return found
}

// pathWithTools is a PATH on which the pinned clients come first under their own names.
func pathWithTools(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"mc", "rclone", "restic"} {
		if err := os.Symlink(tool(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Fatalf("the aws cli is missing, and the lines for it must be tried: apt-get install awscli, or pip install awscli: %v", err)
	}
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

func TestReadyLinesWorkAsPrinted(t *testing.T) {
	needsPrograms(t)
	path := pathWithTools(t)
	for name, args := range map[string][]string{"plain": {"--yes"}, "tls": {"--yes", "--tls"}} {
		t.Run(name, func(t *testing.T) {
			q := quickstart{dir: filepath.Join(t.TempDir(), "folder with space"), args: args}
			p := spawn(t, q.command(t))
			eventually(t, patience, "the ready lines", func() bool { return strings.Contains(p.stdout.String(), "restic init") || p.ended() })
			found := blocks(p.stdout.String())
			g := &gateway{process: p} // without CACert: the lines alone have to do
			file := writeFile(t, filepath.Join(t.TempDir(), "a file"), noise(7, 70_000))

			// Each block as it stands, then something that shows the client really works after it.
			for _, step := range []struct{ client, then, want string }{
				{"mc", fmt.Sprintf("mc cp '%s' sallyport/backup/by-mc && mc cat sallyport/backup/by-mc | cmp - '%s' && echo same", file, file), "same"},
				{"aws", "", "backup"},
				{"rclone", fmt.Sprintf("rclone copyto '%s' sallyport:backup/by-rclone && rclone cat sallyport:backup/by-rclone | cmp - '%s' && echo same", file, file), "same"},
				{"restic", "$LAST backup -q '" + file + "' && $LAST snapshots -q && $LAST check --read-data", "no errors were found"},
			} {
				lines, ok := found[step.client]
				if !ok {
					t.Errorf("there are no lines for %s:\n%s", step.client, p.stdout.String())
					continue
				}
				then := step.then
				if step.client == "restic" {
					last := strings.TrimSuffix(lines[strings.LastIndex(lines, "restic -r"):], " init\n")
					then = strings.ReplaceAll(then, "$LAST", last)
				}
				// A shell of its own for each: a block must not lean on the one before.
				sh := &program{path: "/bin/sh", env: append(g.environ(t), "PATH="+path, "RESTIC_PASSWORD=the repository's own"), dir: t.TempDir()}
				r := sh.try(t, "-e", "-u", "-c", lines+then)
				if r.code != 0 || !strings.Contains(r.both(), step.want) {
					t.Errorf("%s: exit %d, want %q in\n%s\nof\n%s", step.client, r.code, step.want, r.both(), lines+then)
				}
			}
		})
	}
}
