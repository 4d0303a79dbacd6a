package db

import (
	"context"
	"database/sql"
	"sync"
)

// Limits of the statements that SQLite keeps.
const (
	maxPrepared = 512
	maxNoticed  = 4096
)

// prepared keeps the statements of SQLite's writer once they have been run
// twice: to parse one takes it longer than to run it. PostgreSQL's driver keeps
// its own.
//
// A statement is prepared after the transaction that asked for it a second
// time, since that has the only connection.
type prepared struct {
	mu      sync.Mutex
	kept    map[string]*sql.Stmt
	noticed map[string]bool // run once
	wanted  []string        // run twice
}

// get returns a statement, or nil and remembers the wish.
func (p *prepared) get(query string) *sql.Stmt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.kept[query]; s != nil {
		return s
	}
	if len(p.kept)+len(p.wanted) >= maxPrepared {
		return nil
	}
	if !p.noticed[query] {
		if len(p.noticed) >= maxNoticed {
			clear(p.noticed)
		}
		p.noticed[query] = true
		return nil
	}
	delete(p.noticed, query)
	p.wanted = append(p.wanted, query)
	return nil
}

// prepare prepares what is wanted. A failure costs speed alone.
func (p *prepared) prepare(ctx context.Context, pool *sql.DB) {
	p.mu.Lock()
	wanted := p.wanted
	p.wanted = nil
	p.mu.Unlock()
	for _, query := range wanted {
		s, err := pool.PrepareContext(ctx, query) //nolint:sqlclosecheck // kept until the database is closed
		if err != nil {
			return
		}
		p.mu.Lock()
		old := p.kept[query]
		p.kept[query] = s
		p.mu.Unlock()
		if old != nil { // wanted twice at once
			_ = old.Close() // when nobody runs it any more
		}
	}
}
