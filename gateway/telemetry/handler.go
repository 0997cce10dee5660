package telemetry

import (
	"context"
	"io"
	"log/slog"
)

// Format is how log lines look.
type Format string

// The log formats.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

const withheld = "(withheld)"

// LogOptions say how and what to log. The zero value logs text from level Info.
type LogOptions struct {
	Format Format       // FormatText when empty
	Level  slog.Leveler // the least level that is logged; Info when nil
}

// NewLogger returns a logger that writes lines to w and lets through only the attributes of this package's list. It is safe for
// concurrent use and its lines do not mix. It panics for a format other than the two, which the configuration refuses first.
func NewLogger(w io.Writer, options LogOptions) *slog.Logger {
	handler := &slog.HandlerOptions{Level: options.Level}
	switch options.Format {
	case FormatText, "":
		return slog.New(Restrict(slog.NewTextHandler(w, handler)))
	case FormatJSON:
		return slog.New(Restrict(slog.NewJSONHandler(w, handler)))
	}
	panic("telemetry: internal error: unknown log format")
}

// Restrict wraps any handler so that it sees only the attributes of this package's list.
func Restrict(next slog.Handler) slog.Handler { return listedOnly{next} }

// listedOnly is a list of what may pass, not of what may not: a name nobody thought of stays out.
type listedOnly struct{ next slog.Handler }

// Enabled asks the wrapped handler.
func (h listedOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle passes the record on with its attributes filtered.
func (h listedOnly) Handle(ctx context.Context, record slog.Record) error {
	filtered := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)
	record.Attrs(func(attr slog.Attr) bool {
		filtered.AddAttrs(filter(attr))
		return true
	})
	return h.next.Handle(ctx, filtered)
}

// WithAttrs filters the attributes before the wrapped handler formats them.
func (h listedOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	filtered := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		filtered[i] = filter(attr)
	}
	return listedOnly{h.next.WithAttrs(filtered)}
}

// WithGroup passes the group's name on: it is code, not data.
func (h listedOnly) WithGroup(name string) slog.Handler { return listedOnly{h.next.WithGroup(name)} }

func filter(attr slog.Attr) slog.Attr {
	value := attr.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		group := make([]slog.Attr, 0, len(value.Group()))
		for _, member := range value.Group() {
			group = append(group, filter(member))
		}
		return slog.Attr{Key: attr.Key, Value: slog.GroupValue(group...)}
	}
	if !allowed(attr.Key) {
		return slog.String(attr.Key, withheld)
	}
	if value.Kind() != slog.KindAny {
		return slog.Attr{Key: attr.Key, Value: value}
	}
	if err, isError := value.Any().(error); isError {
		return slog.String(attr.Key, err.Error())
	}
	return slog.String(attr.Key, withheld)
}
