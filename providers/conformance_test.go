package providers_test

import (
	"sync"
	"testing"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/mem"
)

// over returns the harness of a decorator over mem.
func over(opts mem.Options, decorate func(driver.Driver) driver.Driver) drivertest.Harness {
	var roots sync.Map // the decorated driver → *mem.Driver
	open := func(m *mem.Driver) driver.Driver {
		d := decorate(m)
		roots.Store(d, m)
		return d
	}
	return drivertest.Harness{
		NewDriver: func(t *testing.T) driver.Driver {
			d := open(mem.New(&opts))
			t.Cleanup(func() { d.Close() }) //nolint:errcheck // Close is tested by the suite.
			return d
		},
		Reopen: func(t *testing.T, d driver.Driver) driver.Driver {
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			m, _ := roots.Load(d)
			return open(m.(*mem.Driver).Reopen())
		},
	}
}

var lacking = mem.Options{
	NoPutIfNoneMatch: true, NoPutIfMatch: true, NoCompleteIfNoneMatch: true, NoCompleteIfMatch: true, NoConditionalDelete: true, NoCopyPart: true,
}

func store(opts providers.StoreOptions) func(driver.Driver) driver.Driver {
	return func(d driver.Driver) driver.Driver { return providers.Open("test", d, &opts) }
}

func TestStoreConforms(t *testing.T) {
	drivertest.Run(t, over(mem.Options{}, store(providers.StoreOptions{})))
}

func TestStoreOfLackingDriverConforms(t *testing.T) {
	drivertest.Run(t, over(lacking, store(providers.StoreOptions{})))
}

func TestStoreThatSplitsConforms(t *testing.T) {
	drivertest.Run(t, over(mem.Options{SplitAbove: 1000, MaxObject: 1 << 30}, store(providers.StoreOptions{SplitPart: 4000})))
}

func TestSingleGatewayStoreConforms(t *testing.T) {
	drivertest.Run(t, over(lacking, store(providers.StoreOptions{SingleGateway: true})))
}

func TestSingleGatewayStoreThatSplitsConforms(t *testing.T) {
	opts := lacking
	opts.SplitAbove = 1000
	drivertest.Run(t, over(opts, store(providers.StoreOptions{SingleGateway: true, SplitPart: 3000})))
}

func TestSingleGatewayConforms(t *testing.T) {
	for name, opts := range map[string]mem.Options{"all": lacking, "delete": {NoConditionalDelete: true}, "complete": {NoCompleteIfMatch: true, NoCompleteIfNoneMatch: true}} {
		t.Run(name, func(t *testing.T) { drivertest.Run(t, over(opts, providers.SingleGateway)) })
	}
}

func TestLimitConforms(t *testing.T) {
	for name, limits := range map[string]providers.Limits{"usual": {}, "one": {Reads: 1, Writes: 1, Streams: 1}} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, over(mem.Options{}, func(d driver.Driver) driver.Driver { return providers.Limit(d, limits) }))
		})
	}
}

func TestRetryConforms(t *testing.T) {
	drivertest.Run(t, over(mem.Options{}, func(d driver.Driver) driver.Driver { return providers.Retry(d, providers.RetryOptions{}) }))
}
