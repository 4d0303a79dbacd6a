// Package job is the durable queue: what was asked for is a row in the
// database from the moment it was accepted, and ends exactly once.
//
//	Submit -> Claim -> Heartbeat, Progress -> Store -> Finish
//
// Next is the state machine, pure; Queue keeps it in the database; Runner makes
// jobs, from a Queue or from afar (platform/worker); Sweeper takes back what
// lost workers held. Messages (platform/event) only hurry things up.
//
// A worker's lease is judged by its silence, measured on the sweeper's own
// monotonic clock: a jump of the wall clock does not take a job from one who
// works on it. The attempt number fences: all that a worker writes carries it,
// and a stale one is refused.
package job
