package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/gateway/telemetry"
)

const canary = "canary-5d21"

func TestUnlistedAttributesAreWithheld(t *testing.T) {
	for _, format := range []telemetry.Format{telemetry.FormatText, telemetry.FormatJSON} {
		var out bytes.Buffer
		logger := telemetry.NewLogger(&out, telemetry.LogOptions{Format: format, Level: slog.LevelDebug})
		logger.Info("m", "authorization", canary)
		logger.Info("m", "key", canary, "count", 1)
		logger.With("token", canary).Info("m")
		logger.WithGroup("group").Info("m", "password", canary)
		logger.Info("m", slog.Group("group", slog.String("cookie", canary), slog.Group("inner", slog.String("x", canary))))
		logger.Info("m", "bucket", struct{ Secret string }{canary})
		logger.Info("m", "error", []byte(canary))
		logger.Info("m", "reason", map[string]string{"k": canary})
		logger.Info("m", "path", &slog.Attr{Key: "x", Value: slog.StringValue(canary)})
		logger.Info("m", "x", resolving{})
		logger.Info("m", "error", secret.NewString(canary))
		if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprint([]byte(canary))) {
			t.Errorf("%s: an attribute that is not listed was shown:\n%s", format, out.String())
		}
		if got := strings.Count(out.String(), "\n"); got != 11 {
			t.Errorf("%s: %d lines, want 11:\n%s", format, got, out.String())
		}
		if !strings.Contains(out.String(), "count") || !strings.Contains(out.String(), "withheld") {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}

// resolving hides a group with an unlisted name behind a LogValuer.
type resolving struct{}

func (resolving) LogValue() slog.Value { return slog.GroupValue(slog.String("signature", canary)) }

func TestEveryBuilderIsListed(t *testing.T) {
	attrs := []slog.Attr{
		telemetry.RequestID("shown"), telemetry.Method("PUT"), telemetry.Operation("shown"), telemetry.Bucket("shown"), telemetry.Status(200), telemetry.Code("shown"),
		telemetry.Millis(time.Second), telemetry.AccessKey("AKIAIOSFODNN7"), telemetry.Error(errors.New("shown")), telemetry.Error(nil), telemetry.Vault("shown"),
		telemetry.Generation(1), telemetry.Count(1), telemetry.Bytes(1), telemetry.Address("shown"), telemetry.Path("shown"),
		telemetry.Reason("shown"), telemetry.Object("shown"),
	}
	for _, attr := range attrs {
		var out bytes.Buffer
		telemetry.NewLogger(&out, telemetry.LogOptions{}).LogAttrs(t.Context(), slog.LevelInfo, "m", attr)
		if strings.Contains(out.String(), "withheld") || !strings.Contains(out.String(), attr.Key+"=") {
			t.Errorf("%s: %s", attr.Key, out.String())
		}
	}
}

func TestLevelAndFormat(t *testing.T) {
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, telemetry.LogOptions{Format: telemetry.FormatJSON, Level: slog.LevelWarn})
	logger.Info("quiet")
	logger.Warn("loud", telemetry.Error(fmt.Errorf("read: %w", errors.New("cause"))))
	if strings.Contains(out.String(), "quiet") || !strings.Contains(out.String(), `"error":"read: cause"`) {
		t.Error(out.String())
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown format was taken")
		}
	}()
	telemetry.NewLogger(&out, telemetry.LogOptions{Format: "xml"})
}
