package auth

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/config/secret"
)

func credential(accessKey string, allow ...Grant) Credential {
	return Credential{AccessKey: accessKey, Secret: secret.NewString("secret-of-" + accessKey), Allow: allow}
}

func principal(t *testing.T, allow ...Grant) *Principal {
	t.Helper()
	s, err := NewStatic([]Credential{credential("someone", allow...)})
	if err != nil {
		t.Fatal(err)
	}
	_, p := s.Lookup("someone")
	return p
}

func TestAllow(t *testing.T) {
	home := Grant{Buckets: []string{"b-*"}, Prefixes: []string{"home/", "tmp/"}, Actions: []Action{Read, List, Delete}}
	maker := Grant{Buckets: []string{"m?"}, Actions: []Action{CreateBucket}}
	whole := Grant{Buckets: []string{"all"}, Prefixes: []string{""}, Actions: []Action{Read, Write, List, Delete, CreateBucket}}
	writer := Grant{Buckets: []string{"drop"}, Actions: []Action{Write}}
	p := principal(t, home, maker, whole, writer)
	for _, c := range []struct {
		action      Action
		bucket, key string
		want        bool
	}{
		{Read, "b-1", "home/x", true},
		{Read, "b-1", "tmp/", true},
		{Read, "b-1", "home", false},
		{Read, "b-1", "homes/x", false},
		{Read, "b-1", "", false},
		{Read, "b-1", "x/home/y", false},
		{Write, "b-1", "home/x", false},
		{List, "b-1", "home/", true},
		{List, "b-1", "home/sub/", true},
		{List, "b-1", "hom", false},
		{List, "b-1", "", false},
		{SeeBucket, "b-1", "", true},
		{SeeBucket, "c-1", "", false},
		{SeeBucket, "drop", "", false},
		{Delete, "b-1", "home/x", true},
		{Delete, "b-1", "", false},
		{CreateBucket, "b-1", "", false},
		{CreateBucket, "m1", "", true},
		{CreateBucket, "m12", "", false},
		{Read, "m1", "k", false},
		{Delete, "all", "", true},
		{Write, "all", "any", true},
		{Write, "all2", "any", false},
		{Write, "al", "any", false},
		{Write, "drop", "x", true},
		{Read, "drop", "x", false},
		{None, "all", "any", false},
		{Action(99), "all", "any", false},
		{Read, "", "any", false},
	} {
		if got := p.Allow(c.action, c.bucket, c.key); got != c.want {
			t.Errorf("Allow(%v, %q, %q) = %v, want %v", c.action, c.bucket, c.key, got, c.want)
		}
	}
	var nobody *Principal
	if nobody.Allow(Read, "all", "any") {
		t.Error("a nil principal is allowed something")
	}
	if principal(t).Allow(Read, "all", "any") {
		t.Error("a principal without grants is allowed something")
	}
}

func TestAllowSome(t *testing.T) {
	p := principal(t,
		Grant{Buckets: []string{"b-*"}, Prefixes: []string{"home/"}, Actions: []Action{Read, Delete}},
		Grant{Buckets: []string{"drop"}, Actions: []Action{Write}})
	for _, c := range []struct {
		action Action
		bucket string
		want   bool
	}{
		{Delete, "b-1", true},
		{Read, "b-1", true},
		{Write, "b-1", false},
		{Delete, "drop", false},
		{Write, "drop", true},
		{Write, "dropped", false},
		{None, "b-1", false},
		{SeeBucket, "b-1", false},
		{Delete, "", false},
	} {
		if got := p.AllowSome(c.action, c.bucket); got != c.want {
			t.Errorf("AllowSome(%v, %q) = %v, want %v", c.action, c.bucket, got, c.want)
		}
	}
	var nobody *Principal
	if nobody.AllowSome(Read, "b-1") || principal(t).AllowSome(Read, "b-1") {
		t.Error("nobody, or somebody without grants, is allowed something")
	}
}

func TestGrantsAreCopied(t *testing.T) {
	g := Grant{Buckets: []string{"one"}, Prefixes: []string{"p/"}, Actions: []Action{Read}}
	p := principal(t, g)
	g.Buckets[0], g.Prefixes[0], g.Actions[0] = "*", "", Write
	if p.Allow(Write, "two", "k") || !p.Allow(Read, "one", "p/k") {
		t.Error("changing the caller's grant changed the principal")
	}
}

func TestLookup(t *testing.T) {
	s, err := NewStatic([]Credential{credential("known")})
	if err != nil {
		t.Fatal(err)
	}
	sec, p := s.Lookup("known")
	if p == nil || p.Name() != "known" || sec.Reveal() != "secret-of-known" {
		t.Errorf("known key: %v %v", sec.Reveal(), p)
	}
	for _, unknown := range []string{"", "Known", "known ", "nobody"} {
		dummy, p := s.Lookup(unknown)
		if p != nil {
			t.Errorf("%q has a principal", unknown)
		}
		if len(dummy.Reveal()) < 40 || dummy.Equal(sec) {
			t.Errorf("%q: the dummy secret is too easy", unknown)
		}
	}
	other, err := NewStatic(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := s.Lookup("nobody")
	b, _ := other.Lookup("nobody")
	if a.Equal(b) {
		t.Error("two sets share a dummy secret")
	}
}

func TestNewStaticNamesEveryProblemAndNoSecret(t *testing.T) {
	ok := Grant{Buckets: []string{"*"}, Actions: []Action{Read}}
	_, err := NewStatic([]Credential{
		credential("good", ok),
		credential("good", ok),
		credential("a/b", ok),
		credential("xy", ok),
		{AccessKey: "short", Secret: secret.NewString("hush")},
		credential("pattern", Grant{Buckets: []string{"[", ""}, Actions: []Action{Read}}),
		credential("empty", Grant{}),
		credential("ungrantable", Grant{Buckets: []string{"*"}, Actions: []Action{SeeBucket, None}}),
	})
	if err == nil {
		t.Fatal("accepted")
	}
	text := err.Error()
	for _, want := range []string{
		"credential 1: access key \"good\" is there already", "credential 2:", "credential 3:", "credential 4: secret key",
		`pattern "["`, `pattern ""`, "credential 6: allow[0]: buckets: none given", "ops: none given", "see-bucket cannot be granted", "none cannot be granted",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hush") || strings.Contains(text, "secret-of") {
		t.Errorf("a secret is in the error:\n%s", text)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	c := credential("known", Grant{Buckets: []string{"*"}, Actions: []Action{Read}})
	s, err := NewStatic([]Credential{c})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{c, s, *s} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "secret-of") {
				t.Errorf("%s of %T shows the secret", verb, v)
			}
		}
	}
}

func TestParseAction(t *testing.T) {
	for _, a := range []Action{Read, Write, List, Delete, CreateBucket} {
		got, err := ParseAction(a.String())
		if err != nil || got != a {
			t.Errorf("ParseAction(%q) = %v, %v", a, got, err)
		}
	}
	for _, word := range []string{"", "see-bucket", "none", "READ", "admin"} {
		if a, err := ParseAction(word); err == nil {
			t.Errorf("ParseAction(%q) = %v", word, a)
		}
	}
}

func ExamplePrincipal_Allow() {
	static, err := NewStatic([]Credential{{
		AccessKey: "backup",
		Secret:    secret.NewString("a long secret key"),
		Allow:     []Grant{{Buckets: []string{"nightly-*"}, Prefixes: []string{"host1/"}, Actions: []Action{Read, Write}}},
	}})
	if err != nil {
		panic(err)
	}
	_, who := static.Lookup("backup")
	fmt.Println(who.Allow(Write, "nightly-db", "host1/dump"), who.Allow(Write, "nightly-db", "host2/dump"), who.Allow(Delete, "nightly-db", "host1/dump"))
	// Output: true false false
}
