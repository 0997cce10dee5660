package s3

import (
	"encoding/xml"
	"testing"
)

// Which rules of a bucket take away what lies below the prefix, as services write them down; a real MinIO takes no rule that archives.
func TestWhatRulesTakeAway(t *testing.T) {
	const prefix = "backup/"
	for name, c := range map[string]struct {
		rule           string
		harms, deletes bool
	}{
		"expires all":            {`<Filter/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`, true, true},
		"expires, old form":      {`<Prefix>backup/x</Prefix><Status>Enabled</Status><Expiration><Date>2027-01-01T00:00:00Z</Date></Expiration>`, true, true},
		"expires, in And":        {`<Filter><And><Prefix>back</Prefix></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`, true, true},
		"archives":               {`<Filter/><Status>Enabled</Status><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>`, true, true},
		"archives deep":          {`<Filter/><Status>Enabled</Status><Transition><StorageClass>STANDARD_IA</StorageClass></Transition><Transition><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>`, true, true},
		"aborts uploads":         {`<Filter/><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>`, true, false},
		"cheaper, still at hand": {`<Filter/><Status>Enabled</Status><Transition><Days>1</Days><StorageClass>STANDARD_IA</StorageClass></Transition>`, false, false},
		"noncurrent versions":    {`<Filter/><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>`, false, false},
		"disabled":               {`<Filter/><Status>Disabled</Status><Expiration><Days>3</Days></Expiration>`, false, false},
		"another prefix":         {`<Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`, false, false},
		"tagged objects":         {`<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`, false, false},
		"tagged, in And":         {`<Filter><And><Prefix>backup/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>c</Key><Value>d</Value></Tag></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`, false, false},
	} {
		var answer lifecycleAnswer
		if err := xml.Unmarshal([]byte(`<LifecycleConfiguration><Rule><ID>one</ID>`+c.rule+`</Rule></LifecycleConfiguration>`), &answer); err != nil || len(answer.Rules) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		var found []HarmfulRule
		if r := &answer.Rules[0]; r.concerns(prefix) {
			found = r.harm()
		}
		if (len(found) > 0) != c.harms || len(found) > 0 && (found[0].ID != "one" || found[0].Deletes != c.deletes) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
