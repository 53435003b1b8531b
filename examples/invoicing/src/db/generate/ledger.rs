//! Invoices, the payments they got, and the bank movements that follow from both.
use std::collections::BTreeMap;

use fastrand::Rng;
use sqlx::AnyConnection;

use super::{Counters, FIRST_DAY, LAST_DAY};
use crate::{day::Day, db::bulk::Bulk};

/// The days that invoices give for payment.
const TERMS: [i64; 4] = [14, 30, 45, 60];
/// What a company spends on, and the share of its invoiced amount that goes there, in thousandths.
const EXPENSES: [(&str, &str, i64); 4] = [
    ("supplier", "Goods and services", 480),
    ("payroll", "Salaries", 260),
    ("tax", "Taxes and contributions", 120),
    ("bank", "Fees and interest", 15),
];

/// The books of one tenant while they are being made.
pub(super) struct Ledger<'a> {
    rng: &'a mut Rng,
    tenant: &'static str,
    first_company: i64,
    companies: i64,
    first_partner: i64,
    partners: i64,
    invoices: Bulk,
    payments: Bulk,
    /// Payments of invoices that have not been sent yet.
    pending: Vec<Payment>,
    days: BTreeMap<(Day, i64), Totals>,
}

/// What one company invoiced and was paid on one day, in minor units.
#[derive(Default)]
struct Totals {
    invoiced: i64,
    received: i64,
}

struct Payment {
    invoice: i64,
    company: i64,
    amount: i64,
    paid_on: Day,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(
        rng: &'a mut Rng,
        tenant: &'static str,
        first_company: i64,
        companies: u32,
        first_partner: i64,
        partners: u32,
    ) -> Self {
        Self {
            rng,
            tenant,
            first_company,
            companies: companies.into(),
            first_partner,
            partners: partners.into(),
            invoices: Bulk::into(
                "invoices",
                &[
                    "id",
                    "tenant_id",
                    "company_id",
                    "partner_id",
                    "number",
                    "amount",
                    "issued_on",
                    "due_on",
                ],
            ),
            payments: Bulk::into(
                "payments",
                &["id", "invoice_id", "tenant_id", "company_id", "amount", "paid_on"],
            ),
            pending: Vec::new(),
            days: BTreeMap::new(),
        }
    }

    /// One invoice, issued `day` days after the first one, and its payments.
    pub(super) async fn invoice(
        &mut self,
        connection: &mut AnyConnection,
        counters: &mut Counters,
        day: i64,
    ) -> Result<(), sqlx::Error> {
        counters.invoices += 1;
        let id = counters.invoices;
        let company = self.first_company + self.rng.i64(0..self.companies);
        // The product of two draws: a few partners get most invoices, as in life.
        let partner =
            self.first_partner + self.rng.i64(0..self.partners) * self.rng.i64(0..self.partners) / self.partners;
        let amount = self.rng.i64(500..40_000) * self.rng.i64(1..12);
        let issued_on = FIRST_DAY.plus_days(day);
        let due_on = issued_on.plus_days(TERMS[self.rng.usize(0..TERMS.len())]);
        self.days.entry((issued_on, company)).or_default().invoiced += amount;
        self.invoices
            .value(id)?
            .value(self.tenant)?
            .value(company)?
            .value(partner)?;
        self.invoices
            .value(format!("INV-{id:07}"))?
            .value(amount)?
            .value(issued_on)?
            .value(due_on)?;
        let full = self.invoices.end_row();
        for (paid_on, amount) in self.payments_of(partner, amount, due_on) {
            if paid_on <= LAST_DAY {
                self.days.entry((paid_on, company)).or_default().received += amount;
                self.pending.push(Payment {
                    invoice: id,
                    company,
                    amount,
                    paid_on,
                });
            }
        }
        if full {
            self.send(connection, counters).await?;
        }
        Ok(())
    }

    /// Sends the invoices, and then their payments: a payment without its invoice is refused.
    async fn send(&mut self, connection: &mut AnyConnection, counters: &mut Counters) -> Result<(), sqlx::Error> {
        self.invoices.send(connection).await?;
        for payment in self.pending.drain(..) {
            counters.payments += 1;
            self.payments.value(counters.payments)?.value(payment.invoice)?;
            self.payments.value(self.tenant)?.value(payment.company)?;
            self.payments.value(payment.amount)?.value(payment.paid_on)?;
            if self.payments.end_row() {
                self.payments.send(connection).await?;
            }
        }
        Ok(())
    }

    /// When and how an invoice is paid: mostly at once and around the due day, by a partner's habit; now and then in
    /// two parts, or never.
    fn payments_of(&mut self, partner: i64, amount: i64, due_on: Day) -> Vec<(Day, i64)> {
        let habit = partner * 7 % 30 - 10;
        let first = due_on.plus_days(habit + self.rng.i64(-4..12));
        match self.rng.u32(0..100) {
            0..3 => Vec::new(),
            3..8 => vec![
                (first, amount / 2),
                (first.plus_days(self.rng.i64(10..60)), amount - amount / 2),
            ],
            8..11 => vec![(first, amount / 3)],
            _ => vec![(first, amount)],
        }
    }

    /// Sends what is left, and the bank movements: one receipt per company and day, and what the company spent.
    pub(super) async fn finish(
        mut self,
        connection: &mut AnyConnection,
        counters: &mut Counters,
    ) -> Result<(), sqlx::Error> {
        self.send(connection, counters).await?;
        self.payments.send(connection).await?;
        let columns = [
            "id",
            "tenant_id",
            "company_id",
            "amount",
            "kind",
            "description",
            "booked_on",
        ];
        let mut rows = Bulk::into("treasury_movements", &columns);
        for ((day, company), totals) in self.days {
            let spent = EXPENSES.map(|(kind, text, share)| (-totals.invoiced * share / 1000, kind, text));
            let receipt = (totals.received, "receipt", "Invoices paid");
            for (amount, kind, description) in std::iter::once(receipt).chain(spent) {
                if amount != 0 {
                    counters.movements += 1;
                    rows.value(counters.movements)?
                        .value(self.tenant)?
                        .value(company)?
                        .value(amount)?;
                    rows.value(kind)?.value(description)?.value(day)?;
                    if rows.end_row() {
                        rows.send(connection).await?;
                    }
                }
            }
        }
        rows.send(connection).await
    }
}
