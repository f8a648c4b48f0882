//! stub
#[derive(Debug)]
pub struct Account;
#[derive(Debug)]
pub struct QuotaRule;
#[derive(Debug)]
pub struct QuotaRuleError;
