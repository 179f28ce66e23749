/* structgen.h: masks, tokens and costs of known states, for C code in a process that runs structgen.
 *
 * Python compiles a grammar and makes a struct structgen_grammar of it (sg.core.GrammarAddresses). These
 * functions then need no Python and no interpreter lock. They answer STRUCTGEN_ASK where structgen has not met
 * a place before: Python answers that question once, and from then on they know it. A state is a number of one
 * grammar. Its mask, its successors and its costs never change.
 *
 * Threads. structgen_fill_mask, structgen_fill_masks and the costs only read: any thread may call them at any
 * time (on x86-64; elsewhere under the lock). structgen_take_token and structgen_take_tokens write: one thread
 * at a time for each grammar, and none while Python works in that grammar, so hold its lock
 * (GrammarAddresses.compiled.lock).
 *
 * docs/inside/c-hosts.md has the rest. There is nothing to link with. */
#ifndef STRUCTGEN_H
#define STRUCTGEN_H

#include <stdint.h>

#define STRUCTGEN_VERSION 1 /* of the struct below: compare it with its first field */
#define STRUCTGEN_REFUSED (-1) /* the grammar does not allow the token */
#define STRUCTGEN_ASK (-2) /* Python must answer */

typedef struct structgen_grammar {
    int64_t version;
    int64_t context;     /* the address of the grammar's block */
    int64_t fill_masks;  /* the addresses of two functions */
    int64_t take_tokens;
    int64_t costs;       /* the address of two rows of int64_t, a column for each state */
    int64_t cost_count;  /* columns of a row */
    int64_t vocab_size;
    int64_t words;       /* int32_t words of a mask: token t is bit t % 32 of word t / 32 */
    int64_t start;       /* the state in which a text begins */
} structgen_grammar;

/* Write the known masks of many rows. columns: three columns of count words, one behind the other: the
 * context of each row's grammar, its state, and the number of its row in the mask. A row takes stride bytes,
 * and the words of its grammar are written. The second column then has 0 for a mask that was written, and a
 * number below 0 for one to ask for. Returns how many have a number below 0. A row whose context is 0 is not
 * read: it counts as one of these, and there is nothing to ask for it. */
static inline int64_t structgen_fill_masks(const structgen_grammar *grammar, int64_t *columns, int64_t count,
                                           int32_t *mask, int64_t stride) {
    typedef int32_t (*function)(int64_t *, void **, int64_t, int64_t, int64_t, int64_t);
    int64_t answer = 0;
    void *fault = 0;
    int32_t status = ((function)(intptr_t)grammar->fill_masks)(&answer, &fault, (int64_t)(intptr_t)columns,
                                                              count, (int64_t)(intptr_t)mask, stride);
    return status == 0 ? answer : count;
}

/* Take a token in many rows; end tokens too. columns: as above, the third has the tokens. Then stands in the
 * second column the state behind the token, STRUCTGEN_REFUSED, or a number below that: ask. Returns 0; else
 * nothing was taken. A grammar's lock is held. */
static inline int64_t structgen_take_tokens(const structgen_grammar *grammar, int64_t *columns,
                                            int64_t count) {
    typedef int32_t (*function)(int64_t *, void **, int64_t, int64_t);
    int64_t answer = 0;
    void *fault = 0;
    return ((function)(intptr_t)grammar->take_tokens)(&answer, &fault, (int64_t)(intptr_t)columns, count);
}

/* Write the mask of a state to a row of grammar->words words. Returns 0, or STRUCTGEN_ASK. */
static inline int64_t structgen_fill_mask(const structgen_grammar *grammar, int64_t state, int32_t *row) {
    int64_t columns[3] = {grammar->context, state, 0};
    return structgen_fill_masks(grammar, columns, 1, row, 0) == 0 ? 0 : STRUCTGEN_ASK;
}

/* Return the state behind a token, STRUCTGEN_REFUSED, or STRUCTGEN_ASK. The grammar's lock is held. */
static inline int64_t structgen_take_token(const structgen_grammar *grammar, int64_t state, int64_t token) {
    int64_t columns[3] = {grammar->context, state, token};
    int64_t status = structgen_take_tokens(grammar, columns, 1);
    return status == 0 && columns[1] >= STRUCTGEN_REFUSED ? columns[1] : STRUCTGEN_ASK;
}

static inline int64_t structgen_cost(const structgen_grammar *grammar, int64_t row, int64_t state) {
    const int64_t *costs = (const int64_t *)(intptr_t)grammar->costs + row * grammar->cost_count;
    int64_t cost = state >= 0 && state < grammar->cost_count ? costs[state] : 0; /* plus one; 0: not known */
    return cost > 0 ? cost - 1 : STRUCTGEN_ASK;
}

/* Return a number of tokens that takes nothing from the mask of a state: with so many or more left, the text
 * is completed in time after whichever token comes next. INT64_MAX - 1 where no number is known to suffice.
 * STRUCTGEN_ASK where the state was not looked at yet. */
static inline int64_t structgen_sufficient_budget(const structgen_grammar *grammar, int64_t state) {
    return structgen_cost(grammar, 0, state);
}

/* Return how many tokens complete the text, an end token not counted; or STRUCTGEN_ASK. */
static inline int64_t structgen_tokens_to_finish(const structgen_grammar *grammar, int64_t state) {
    return structgen_cost(grammar, 1, state);
}

#endif
