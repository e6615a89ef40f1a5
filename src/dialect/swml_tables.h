/* swml_tables: the tables of parameters that stand in files of their own. For swml_table.c and for each other.
 * Source: swml.md §8. */
#ifndef SWML_TABLES_H
#define SWML_TABLES_H

#include "dialect/swml_table.h"

/* --- swml_table_ai.c --- */

extern const struct swml_param swml_ai_params[];
extern const struct swml_param swml_ai_pom[];
extern const struct swml_param swml_ai_text_map[]; /* any names, each a text */

/* --- swml_table_swaig.c: what a model may call --- */

extern const struct swml_param swml_ai_swaig[];
extern const struct swml_param swml_ai_swaig_defaults[];
extern const struct swml_param swml_ai_mcp_server[];
extern const struct swml_param swml_ai_function_params[];
extern const struct swml_param swml_ai_data_map[];
extern const struct swml_param swml_ai_fillers[];

/* --- swml_table_agents.c --- */

extern const struct swml_param swml_ai_sidecar_params[];
extern const struct swml_param swml_bedrock_params[];

/* --- swml_table_cloud.c --- */

extern const struct swml_param swml_live_transcribe_params[];
extern const struct swml_param swml_live_translate_params[];
extern const struct swml_param swml_pay_params[];
extern const struct swml_param swml_send_fax_params[];
extern const struct swml_param swml_send_sms_params[];
extern const struct swml_param swml_status_url_params[]; /* receive_fax, transcribe */

/* --- swml_table_rooms.c --- */

extern const struct swml_param swml_enter_queue_params[];
extern const struct swml_param swml_join_conference_params[];
extern const struct swml_param swml_join_room_params[];

/* --- swml_table_web.c --- */

extern const struct swml_param swml_request_params[];
extern const struct swml_param swml_user_event_params[];
extern const struct swml_param swml_stream_params[];
extern const struct swml_param swml_stop_stream_params[];

#endif
