package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sallyport/providers/driver"
)

// Factory opens a driver. decode fills the driver's own Config struct, which it is given a pointer to, strictly from the provider's section
// of the configuration. ctx bounds the opening alone; the driver outlives it. On an error nothing is left open.
type Factory func(ctx context.Context, decode func(config any) error) (driver.Driver, error)

// Registry maps a provider type, such as "local", to its factory. It is composed in main and not changed afterwards.
type Registry map[string]Factory

// Open makes a driver of the named type. A type that is not there is an error that names those that are.
func (r Registry) Open(ctx context.Context, typeName string, decode func(config any) error) (driver.Driver, error) {
	factory, ok := r[typeName]
	if !ok {
		return nil, fmt.Errorf("open provider: unknown type %q; known are %s", typeName, strings.Join(r.Types(), ", "))
	}
	d, err := factory(ctx, decode)
	if err != nil {
		return nil, fmt.Errorf("open provider of type %s: %w", typeName, err)
	}
	if d == nil {
		return nil, errors.New("open provider of type " + typeName + ": the factory returned nothing")
	}
	return d, nil
}

// Types returns the known types in order.
func (r Registry) Types() []string { return slices.Sorted(maps.Keys(r)) }
