package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"sallyport/gateway/telemetry"
	"sallyport/providers/driver"
)

// exported are the labels of every metric that the gateway has, also of those that show only once they are counted. Histograms are there as
// Prometheus stores them.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	metrics := telemetry.NewMetrics("test").Gatherer()
	registry, ok := metrics.(prometheus.Collector)
	if !ok {
		t.Fatal("the registry does not describe itself")
	}
	descriptions := make(chan *prometheus.Desc, 1000)
	registry.Describe(descriptions)
	close(descriptions)
	shape := regexp.MustCompile(`^Desc\{fqName: "([a-z0-9_]+)", .*variableLabels: \{([a-z_,]*)\}\}$`)
	all := map[string][]string{}
	for d := range descriptions {
		found := shape.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("a description has another shape than this test reads: %s", d)
		}
		labels := strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' })
		if name := found[1]; strings.HasPrefix(name, "sallyport_") && strings.HasSuffix(name, "_seconds") {
			all[name+"_bucket"] = append(slices.Clone(labels), "le")
			all[name+"_sum"], all[name+"_count"] = labels, labels
		} else {
			all[name] = labels
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d metrics are described", len(all))
	}
	return all
}

// queries are all PromQL expressions that are shipped, by where they stand.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Query struct{ Query string } }
		}
	}
	readJSON(t, "deploy/grafana/dashboards/sallyport.json", &board)
	for _, p := range board.Panels {
		if len(p.Targets) == 0 && p.Type != "row" {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all["panel "+p.Title+": "+target.Expr] = target.Expr
		}
	}
	for _, v := range board.Templating.List {
		all["variable"] = v.Query.Query
	}
	for _, r := range alertRules(t) {
		all["rule "+r.Alert] = r.Expr
	}
	return all
}

type alertRule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var rules struct {
		Groups []struct{ Rules []alertRule }
	}
	readYAML(t, "deploy/prometheus/rules.yml", &rules)
	if len(rules.Groups) != 1 || len(rules.Groups[0].Rules) == 0 {
		t.Fatal("no rules")
	}
	return rules.Groups[0].Rules
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(readText(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal(readText(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readText(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestBoardAndRulesNameWhatIsMeasured: a metric or a label that the gateway does not have shows nothing and alarms never.
func TestBoardAndRulesNameWhatIsMeasured(t *testing.T) {
	metrics := exported(t)
	used := map[string]bool{}
	name := regexp.MustCompile(`\b((?:sallyport|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	group := regexp.MustCompile(`\bby \(([^)]*)\)`)
	for where, query := range queries(t) {
		// Prometheus adds the first two.
		known := []string{"instance", "job"}
		for _, found := range name.FindAllStringSubmatch(query, -1) {
			labels, ok := metrics[found[1]]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, found[1])
				continue
			}
			used[found[1]] = true
			known = append(known, labels...)
			for _, l := range label.FindAllStringSubmatch(found[2], -1) {
				if !slices.Contains(labels, l[1]) && l[1] != "instance" && l[1] != "job" {
					t.Errorf("%s: %s has no label %s", where, found[1], l[1])
				}
			}
		}
		for _, found := range group.FindAllStringSubmatch(query, -1) {
			for l := range strings.SplitSeq(found[1], ",") {
				if !slices.Contains(known, strings.TrimSpace(l)) {
					t.Errorf("%s: groups by %s, which nothing in it has", where, l)
				}
			}
		}
	}
	unseen := map[string]string{"sallyport_vault_file_generation": "a number to look up, not to watch"}
	for m := range metrics {
		if !strings.HasPrefix(m, "sallyport_") || strings.HasSuffix(m, "_sum") || strings.HasSuffix(m, "_count") || unseen[m] != "" {
			continue
		}
		if !used[m] {
			t.Errorf("%s is on no panel and in no rule", m)
		}
	}
}

// TestStorageFailuresAreToldFromQuestions: the kinds of error that count as the storage's failure, wherever they are listed, are all those
// that are not a client's question or mistake.
func TestStorageFailuresAreToldFromQuestions(t *testing.T) {
	harmless := []driver.Kind{
		driver.NotFound, driver.PreconditionFailed, driver.Conflict, driver.InvalidKey, driver.InvalidRange, driver.TooLarge, driver.NoSuchUpload,
		driver.InvalidPart, driver.Unsupported, driver.Canceled, driver.BadBody,
	}
	var failures, every []string
	for k := driver.Kind(0); !strings.HasPrefix(k.String(), "kind "); k++ {
		every = append(every, k.String())
		if !slices.Contains(harmless, k) {
			failures = append(failures, k.String())
		}
	}
	lists := 0
	pattern := regexp.MustCompile(`outcome=~"([^"]*)"`)
	for where, query := range queries(t) {
		for _, found := range pattern.FindAllStringSubmatch(query, -1) {
			words := strings.Split(found[1], "|")
			if slices.Equal(words, failures) {
				lists++
			}
			for _, w := range words {
				if !slices.Contains(every, w) {
					t.Errorf("%s: %q is no kind of error", where, w)
				}
			}
		}
	}
	if lists != 2 {
		t.Errorf("%d queries list exactly the failures %q, want that of the rule and that of the panel", lists, failures)
	}
}

// TestEveryRuleIsSeenToFire: promtool's tests, which integration runs, make each rule fire, and each tells what to do.
func TestEveryRuleIsSeenToFire(t *testing.T) {
	tested := map[string]bool{}
	for _, found := range regexp.MustCompile(`\{alertname="([A-Za-z]+)"\}`).FindAllSubmatch(readText(t, "deploy/prometheus/rules_test.yml"), -1) {
		tested[string(found[1])] = true
	}
	for _, r := range alertRules(t) {
		if !tested[r.Alert] {
			t.Errorf("no test makes %s fire", r.Alert)
		}
		delete(tested, r.Alert)
		if s := r.Labels["severity"]; s != "page" && s != "ticket" || len(r.Annotations["summary"]) < 40 {
			t.Errorf("%s: severity %q, summary %q", r.Alert, s, r.Annotations["summary"])
		}
	}
	if len(tested) > 0 {
		t.Errorf("tests name rules that are not there: %q", slices.Sorted(maps.Keys(tested)))
	}
}
