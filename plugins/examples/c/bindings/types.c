/*
 * The generated code refers to an object file with the contract's types, which wit-bindgen would write beside it. Here the types come from
 * plugins/wit when the module is wrapped, so that one symbol is all that is left of it.
 */
extern void __component_type_object_force_link_plugin(void);
void __component_type_object_force_link_plugin(void) {}
