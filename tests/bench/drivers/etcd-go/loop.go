package main

import (
	"context"
	"math"
	"math/rand"
	"sort"
	"sync"
	"time"
)

// How many different values there are.
const valuesDrawn = 64

// A caller has one operation open at a time, and chance and values of its own.
type caller struct {
	random  *rand.Rand
	values  []string
	written int
}

// What a loop did. Latencies are those of what succeeded, in milliseconds; the fields are LoopResult's of the bench.
type result struct {
	Operations int     `json:"operations"`
	Failed     int     `json:"failed"`
	Failure    *string `json:"failure"`
	Seconds    float64 `json:"seconds"`
	P50Ms      float64 `json:"p50Ms"`
	P95Ms      float64 `json:"p95Ms"`
	P99Ms      float64 `json:"p99Ms"`
	P999Ms     float64 `json:"p999Ms"`
	MaxMs      float64 `json:"maxMs"`
}

// What one caller did in one loop.
type share struct {
	latenciesMs []float64
	failed      int
	failure     error
}

func callersOf(asked settings) []*caller {
	callers := make([]*caller, asked.inFlight)
	for number := range callers {
		random := rand.New(rand.NewSource(asked.seed*1_000_003 + int64(number)))
		values := make([]string, valuesDrawn)
		for at := range values {
			value := make([]byte, asked.valueBytes)
			random.Read(value)
			values[at] = string(value)
		}
		callers[number] = &caller{random: random, values: values}
	}
	return callers
}

func (c *caller) value() string {
	c.written++
	return c.values[c.written%len(c.values)]
}

// Each caller begins its next operation when the one before has ended. Counted is what was begun within the length.
func closedLoop(ctx context.Context, do operation, callers []*caller, length time.Duration) result {
	shares := make([]share, len(callers))
	startedAt := time.Now()
	endsAt := startedAt.Add(length)
	var all sync.WaitGroup
	for number, one := range callers {
		all.Add(1)
		go func(one *caller, did *share) {
			defer all.Done()
			for beganAt := startedAt; beganAt.Before(endsAt); {
				err := do(ctx, one)
				// One look at the clock for each operation.
				endedAt := time.Now()
				if err == nil {
					did.latenciesMs = append(did.latenciesMs, endedAt.Sub(beganAt).Seconds()*1000)
				} else {
					did.failed++
					did.failure = err
				}
				beganAt = endedAt
			}
		}(one, &shares[number])
	}
	all.Wait()
	return resultOf(shares, time.Since(startedAt))
}

func resultOf(shares []share, took time.Duration) result {
	var sorted []float64
	told := result{Seconds: took.Seconds()}
	for _, did := range shares {
		sorted = append(sorted, did.latenciesMs...)
		told.Failed += did.failed
		if did.failure != nil {
			text := did.failure.Error()
			told.Failure = &text
		}
	}
	sort.Float64s(sorted)
	told.Operations = len(sorted)
	told.P50Ms = quantileOf(sorted, 0.5)
	told.P95Ms = quantileOf(sorted, 0.95)
	told.P99Ms = quantileOf(sorted, 0.99)
	told.P999Ms = quantileOf(sorted, 0.999)
	told.MaxMs = quantileOf(sorted, 1)
	return told
}

// By the nearest rank; 0 where there is nothing.
func quantileOf(sorted []float64, quantile float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(quantile * float64(len(sorted))))
	if rank < 1 {
		rank = 1
	}
	return sorted[rank-1]
}
