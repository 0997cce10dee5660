package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
)

// HarmfulRule is a lifecycle rule of the bucket that concerns what lies below the prefix.
type HarmfulRule struct {
	ID      string
	Does    string // what it does to objects or uploads
	Remedy  string
	Deletes bool // it takes stored objects away, or out of reach
}

// isArchive knows the classes of storage whose objects cannot be read before they are asked back.
func isArchive(class string) bool { return class == "GLACIER" || class == "DEEP_ARCHIVE" }

type lifecycleAnswer struct {
	XMLName xml.Name        `xml:"LifecycleConfiguration"`
	Rules   []lifecycleRule `xml:"Rule"`
}

type lifecycleRule struct {
	ID, Status, Prefix string
	Filter             struct {
		Prefix string
		Tag    *struct{}
		And    struct {
			Prefix string
			Tag    *struct{}
		}
	}
	Expiration struct {
		Days int
		Date string
	}
	Transitions []struct{ StorageClass string }   `xml:"Transition"`
	Abort       struct{ DaysAfterInitiation int } `xml:"AbortIncompleteMultipartUpload"`
}

// HarmfulRules asks for the bucket's lifecycle rules, which needs a permission of its own (s3:GetLifecycleConfiguration), and returns those that take
// away what the gateway stores below its prefix.
func (b *Bucket) HarmfulRules(ctx context.Context) ([]HarmfulRule, error) {
	const op = "HarmfulRules"
	if err := b.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	sendCtx, x := record(ctx, nil)
	var answer lifecycleAnswer
	err := b.send(sendCtx, x, &own{method: http.MethodGet, query: url.Values{"lifecycle": {""}}}, &answer)
	if minio.ToErrorResponse(err).Code == "NoSuchLifecycleConfiguration" {
		return nil, nil
	}
	if err != nil {
		return nil, b.classify(ctx, &call{op: op, x: x, notKey: true}, err)
	}
	var found []HarmfulRule
	for i := range answer.Rules {
		if r := &answer.Rules[i]; r.concerns(b.names.prefix) {
			found = append(found, r.harm()...)
		}
	}
	return found, nil
}

// concerns reports whether a rule is for any object below prefix. The gateway's objects have no tags.
func (r *lifecycleRule) concerns(prefix string) bool {
	if r.Status != "Enabled" || r.Filter.Tag != nil || r.Filter.And.Tag != nil {
		return false
	}
	of := r.Prefix + r.Filter.Prefix + r.Filter.And.Prefix // at most one of them is set
	return strings.HasPrefix(of, prefix) || strings.HasPrefix(prefix, of)
}

func (r *lifecycleRule) harm() []HarmfulRule {
	var all []HarmfulRule
	if e := r.Expiration; e.Days > 0 || e.Date != "" {
		when := fmt.Sprintf("%d day(s) after they were written", e.Days)
		if e.Date != "" {
			when = "on " + e.Date
		}
		all = append(all, HarmfulRule{ID: r.ID, Deletes: true, Does: "deletes objects " + when + ", the vault file among them", Remedy: "remove the rule, or keep it off the prefix, before it takes stored data away"})
	}
	for _, t := range r.Transitions {
		if isArchive(t.StorageClass) {
			all = append(all, HarmfulRule{ID: r.ID, Deletes: true, Does: "moves objects to " + t.StorageClass + ", where they cannot be read", Remedy: "remove the rule, or keep it off the prefix"})
		}
	}
	if days := r.Abort.DaysAfterInitiation; days > 0 {
		all = append(all, HarmfulRule{ID: r.ID, Does: fmt.Sprintf("aborts multipart uploads %d day(s) after they began", days), Remedy: "an upload that takes longer is answered NoSuchUpload; set more days than the longest takes"})
	}
	return all
}

// warnOfRules tells of rules that take stored objects away. Who may not read them is not told anything.
func (b *Bucket) warnOfRules(ctx context.Context) {
	rules, err := b.HarmfulRules(ctx)
	if err != nil {
		b.log.Debug("s3: the bucket's lifecycle rules could not be looked at", "error", err)
		return
	}
	for _, r := range rules {
		if r.Deletes {
			b.log.Warn("s3: a lifecycle rule of the bucket takes away what is stored", "warning", fmt.Sprintf("rule %q %s: %s", r.ID, r.Does, r.Remedy))
		}
	}
}
