package s3api

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const compatibilityPage = "../../docs/s3-compatibility.md"

// TestCompatibilityPageMatchesTheTable holds docs/s3-compatibility.md to the operation table: every row there with its state, none too many.
func TestCompatibilityPageMatchesTheTable(t *testing.T) {
	page, err := os.ReadFile(compatibilityPage)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, op := range operations() {
		state := "yes"
		if op.handle == nil {
			state = "501"
		}
		want[op.name] = state
	}
	for _, op := range unsetOperations() {
		want[op.name] = "unset"
	}
	have := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(line, "| `") {
			continue
		}
		name, state := strings.Trim(cells[1], " `"), strings.TrimSpace(cells[2])
		if _, twice := have[name]; twice {
			t.Errorf("%s is on the page twice", name)
		}
		have[name] = state
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if have[name] != want[name] {
			t.Errorf("%s: the page says %q, the table says %q", name, have[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is on the page and not in the table", name)
		}
	}
	if t.Failed() {
		var rows strings.Builder
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if have[name] != want[name] {
				rows.WriteString("| `" + name + "` | " + want[name] + " | |\n")
			}
		}
		t.Logf("rows to add:\n%s", rows.String())
	}
}
