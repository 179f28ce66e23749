/* Write the mask before each token of a text, and behind the last one. cc -shared -fPIC -I FOLDER read_tokens.c
 * -o read_tokens.so; the folder is sg.core.GrammarAddresses.include_folder. The grammar's lock is held. */
#include "structgen.h"

/* The host's way to Python: write the mask of a state to a row, or return the state behind a token. Both
 * return a number below 0 where the text ends here. */
typedef int64_t (*ask_mask)(int64_t state, int32_t *row);
typedef int64_t (*ask_token)(int64_t state, int64_t token);

/* Returns how many of the tokens were taken. */
int64_t read_tokens(const structgen_grammar *grammar, const int32_t *tokens, int64_t count, int32_t *rows,
                    ask_mask ask_for_mask, ask_token ask_for_token) {
    int64_t state = grammar->version == STRUCTGEN_VERSION ? grammar->start : STRUCTGEN_REFUSED;
    for (int64_t i = 0; state >= 0; i++) {
        int32_t *row = rows + i * grammar->words;
        if (structgen_fill_mask(grammar, state, row) == STRUCTGEN_ASK && ask_for_mask(state, row) < 0) return i;
        if (i == count) return count;
        int64_t after = structgen_take_token(grammar, state, tokens[i]);
        if (after == STRUCTGEN_ASK) after = ask_for_token(state, tokens[i]);
        if (after < 0) return i;
        state = after;
    }
    return STRUCTGEN_REFUSED;
}
